"""Installs podhatch into the cluster by its own chart, with images built from this clone.

Called at the end of `up` and by `python -m tests.cluster install`. The images' tag is the hash of
their sources, so a changed source is a changed pod template and restarts the operator by itself.
"""

import hashlib
import json
import os
from collections.abc import Callable

from tests.cluster import binaries, images
from tests.cluster.binaries import binary
from tests.cluster.images import Image
from tests.cluster.paths import KUBECONFIG, REPOSITORY, STATE
from tests.cluster.progress import ClusterError, log_of, output, run, say, stage

CHART = REPOSITORY / "charts" / "podhatch"
NAMESPACE = "podhatch-system"
INSTALLED = STATE / "installed"
TIMEOUT = "120s"
PART = "install podhatch"
LOG = log_of(PART)


def has_chart() -> bool:
    """Whether there is something to install."""
    return (CHART / "Chart.yaml").exists()


def install(load: Callable[[list[Image]], None]) -> None:
    """Bring the cluster to this clone's podhatch; nothing changed costs nothing."""
    key = _key()
    if INSTALLED.exists() and INSTALLED.read_text() == key and available():
        say("  podhatch is installed")
        return
    project = images.project()
    load(project)
    binaries.build(binaries.HELM)
    with stage(PART):
        LOG.unlink(missing_ok=True)
        _forget_interrupted()
        try:
            _upgrade({image.name: image for image in project})
        except ClusterError:
            _describe_failure()
            raise
    INSTALLED.write_text(key)


def available() -> bool:
    """Whether every Deployment of podhatch has all its pods."""
    if not KUBECONFIG.exists():
        return False
    listed = json.loads(_kubectl("get", "deployments", "-n", NAMESPACE, "-o", "json") or "{}")
    items = listed.get("items", [])
    return bool(items) and all(
        0 < item["spec"]["replicas"] == item["status"].get("availableReplicas") for item in items
    )


def _key() -> str:
    """What decides whether an installation is the current one: chart, images and cluster."""
    state = hashlib.sha256(KUBECONFIG.read_bytes() + images.sources_digest().encode())
    for path in sorted(CHART.rglob("*")):
        if path.is_file():
            state.update(str(path).encode() + path.read_bytes())
    return state.hexdigest()


def _forget_interrupted() -> None:
    # An upgrade that was killed leaves a record which makes helm refuse every later one.
    pending = "status in (pending-install,pending-upgrade,pending-rollback)"
    _kubectl("delete", "secrets", "-n", NAMESPACE, "-l", f"owner=helm,name=podhatch,{pending}")


def _upgrade(project: dict[str, Image]) -> None:
    values: list[str] = []
    for name, image in project.items():
        repository, tag = image.reference.rsplit(":", 1)
        values += ["--set-string", f"{name}.image.repository={repository}"]
        values += ["--set-string", f"{name}.image.tag={tag}"]
        values += ["--set-string", f"{name}.image.pullPolicy=IfNotPresent"]
    run(
        PART,
        [
            *[binary("helm"), "upgrade", "--install", "podhatch", CHART],
            *["--namespace", NAMESPACE, "--create-namespace", "--wait", "--timeout", TIMEOUT],
            "--take-ownership",  # of definitions that somebody applied with kubectl
            *values,
        ],
        environment=_helm_environment(),
    )


def _helm_environment() -> dict[str, str]:
    """Keep helm's own files inside the clone's state."""
    folders = {
        f"HELM_{name}_HOME": str(STATE / "helm" / name.lower())
        for name in ("CACHE", "CONFIG", "DATA")
    }
    return {**os.environ, **folders, "KUBECONFIG": str(KUBECONFIG)}


def _describe_failure() -> None:
    """Add to the log what a person would ask the cluster next."""
    questions = (
        ["get", "pods", "-o", "wide"],
        ["get", "events", "--sort-by=.lastTimestamp"],
        ["logs", "--all-containers", "--prefix", "--tail=100", "-l", "app.kubernetes.io/name"],
    )
    with LOG.open("a") as sink:
        for question in questions:
            sink.write(f"\n$ kubectl {' '.join(question)}\n{_kubectl(*question, '-n', NAMESPACE)}")


def _kubectl(*words: str) -> str:
    return output([binaries.kubectl(), "--kubeconfig", KUBECONFIG, *words], check=False)
