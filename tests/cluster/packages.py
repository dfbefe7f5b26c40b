"""Brings the distribution's programs that the local cluster needs: containerd, runc and so on.

Called first by local.py. Root on Debian or Ubuntu gets what is missing; elsewhere it is named.
"""

import os
import shutil
from pathlib import Path

from tests.cluster.progress import ClusterError, run, stage

# Program or file -> Debian package. If a package starts a service of its own, it does not matter:
# the cluster's containerd has its own socket and folders.
NEEDED = {
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "/usr/lib/cni/ptp": "containernetworking-plugins",
    "iptables-restore": "iptables",
    "ip": "iproute2",
    "buildah": "buildah",
    "curl": "curl",
    "debootstrap": "debootstrap",
    "/usr/share/keyrings/debian-archive-keyring.gpg": "debian-archive-keyring",
    "mount": "mount",
    "openssl": "openssl",
}


def require_root() -> None:
    """Refuse before anything is installed."""
    if os.geteuid() != 0:
        raise ClusterError(
            "A cluster on this machine needs root, or a reachable docker daemon with kind."
        )


def install() -> None:
    """Install what is missing."""
    missing = _missing()
    if not missing:
        return
    if not shutil.which("apt-get"):
        raise ClusterError(f"These programs are missing, install them first: {', '.join(missing)}.")
    packages = sorted(set(missing.values()))
    with stage(f"install {len(packages)} packages"):
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        run("apt-get", ["apt-get", "update"], environment=environment)
        command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
        run("apt-get", command, environment=environment)
    if left := _missing():
        raise ClusterError(f"These programs are still missing: {', '.join(left)}.")


def _missing() -> dict[str, str]:
    return {name: package for name, package in NEEDED.items() if not _present(name)}


def _present(name: str) -> bool:
    return Path(name).exists() if name.startswith("/") else shutil.which(name) is not None
