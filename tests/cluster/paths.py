"""Where the cluster keeps its files, in one place so that `down` knows what `up` made.

Used by every module of this package. Three kinds: the clone's own state, what the one cluster of
this machine shares between clones, and the cache that outlives every clone.
"""

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
GO_MODULES = Path(__file__).resolve().parent / "go"

STATE = REPOSITORY / ".cluster"
KUBECONFIG = STATE / "kubeconfig"
PROGRAMS = STATE / "bin"
CERTIFICATES = STATE / "certificates"
KUBECONFIGS = STATE / "kubeconfigs"
CONFIGURATION = STATE / "configuration"
ETCD_DATA = STATE / "etcd"
LOGS = STATE / "logs"

# Without root there is kind only, and nothing that clones share.
MACHINE = Path("/run/podhatch") if os.geteuid() == 0 else STATE / "machine"
RECORDS = MACHINE / "processes"
CONTAINERD_STATE = MACHINE / "containerd"
CONTAINERD_SOCKET = CONTAINERD_STATE / "containerd.sock"
RUNC_STATE = MACHINE / "runc"
POD_ADDRESSES = MACHINE / "pod-addresses"
KUBELET_ROOT = Path("/var/lib/podhatch/kubelet")
POD_LOGS = Path("/var/lib/podhatch/pod-logs")


def cache() -> Path:
    """The folder that keeps binaries and images between clones."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "podhatch"


def containerd_root() -> Path:
    """Images stay here between clusters; only one cluster runs on a machine at a time."""
    return cache() / "containerd"
