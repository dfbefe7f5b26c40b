"""The cluster where a docker daemon and kind are present: kind makes it, docker builds the images.

Called by __main__.py instead of local.py.
"""

import shutil
import subprocess

from tests.cluster.control_plane import Profile
from tests.cluster.images import DOCKERFILES, Image
from tests.cluster.paths import KUBECONFIG, REPOSITORY
from tests.cluster.progress import ClusterError, output, run, say, stage

NAME = "podhatch"
CONFIGURATION_FILE = REPOSITORY / "kind-config.yaml"


def available() -> bool:
    """Whether kind is here and a docker daemon answers."""
    if not (shutil.which("kind") and shutil.which("docker")):
        return False
    command = ["docker", "version", "--format", "{{.Server.Version}}"]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


def up(profile: Profile | None) -> None:
    """Create the cluster, or use the one that is there."""
    if profile == "stock":
        raise ClusterError(f"With kind, remove the patch in {CONFIGURATION_FILE} for stock limits.")
    target = ["--name", NAME, "--kubeconfig", str(KUBECONFIG)]
    if is_up():
        run("kind", ["kind", "export", "kubeconfig", *target])
        say("  the cluster is up")
        return
    with stage("kind create cluster"):
        run(
            "kind",
            [
                "kind",
                "create",
                "cluster",
                *target,
                "--config",
                CONFIGURATION_FILE,
                "--wait",
                "120s",
            ],
        )


def down() -> None:
    """Delete the cluster; one that is not there is fine."""
    with stage("kind delete cluster"):
        run("kind", ["kind", "delete", "cluster", "--name", NAME, "--kubeconfig", KUBECONFIG])


def is_up() -> bool:
    """Whether kind knows the cluster."""
    return NAME in output(["kind", "get", "clusters"]).split()


def load(images: list[Image]) -> None:
    """Build the project's images with docker and load them into the node."""
    for image in images:
        with stage(f"build and load image {image.name}"):
            file = REPOSITORY / DOCKERFILES[image.name]
            build = ["docker", "build", "-f", file, "-t", image.reference, REPOSITORY]
            run(f"build {image.name}", build)
            run("kind", ["kind", "load", "docker-image", "--name", NAME, image.reference])
