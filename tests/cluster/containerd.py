"""The container runtime of the local node: an own containerd beside any other on the machine.

Called by node.py to start it, by images.py to fill it and by `down` to leave nothing of it.
"""

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.cluster import processes
from tests.cluster.network import CNI_FOLDER
from tests.cluster.paths import (
    CONFIGURATION,
    CONTAINERD_SOCKET,
    CONTAINERD_STATE,
    KUBELET_ROOT,
    RUNC_STATE,
    containerd_root,
)
from tests.cluster.processes import Component
from tests.cluster.progress import output

CNI_PLUGINS = "/usr/lib/cni"
RUNC_CONTAINERS = RUNC_STATE / "k8s.io"


def component(pause_image: str) -> Component:
    """Containerd with its own configuration, state and socket."""
    path = CONFIGURATION / "containerd.toml"
    command = ["containerd", "--config", str(path)]
    return Component("containerd", command, answers, files={path: _configuration(pause_image)})


_EMPTY_MESSAGE = bytes(5)
"""An empty gRPC message: no compression, no bytes."""


def answers() -> bool:
    """Whether containerd serves the kubelet: its CRI part starts later than its socket."""
    command = ["curl", "--silent", "--max-time", "1", "--http2-prior-knowledge"]
    command += ["--unix-socket", str(CONTAINERD_SOCKET), "--data-binary", "@-"]
    command += ["--header", "content-type: application/grpc", "--header", "te: trailers"]
    command += ["http://localhost/runtime.v1.RuntimeService/Version"]
    answer = subprocess.run(command, input=_EMPTY_MESSAGE, capture_output=True, check=False)
    return len(answer.stdout) > len(_EMPTY_MESSAGE)


def ctr(*words: str | Path) -> str:
    """Run containerd's client in the namespace of the kubelet."""
    return output(["ctr", "-a", str(CONTAINERD_SOCKET), "-n", "k8s.io", *words])


def remove_containers() -> None:
    """Forget the containers of an earlier cluster, so that a new node begins with none."""
    names = ctr("containers", "list", "--quiet").split()
    if names:
        subprocess.run(
            ["ctr", "-a", str(CONTAINERD_SOCKET), "-n", "k8s.io", "containers", "rm", *names],
            capture_output=True,
            check=False,
        )


def end_containers() -> None:
    """End every container, whether or not containerd and its shims are alive."""
    if RUNC_CONTAINERS.is_dir():
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(_delete_container, [path.name for path in RUNC_CONTAINERS.iterdir()]))


def end_shims() -> None:
    """End the shims: they outlive containerd by design."""
    for pid, words in processes.command_lines().items():
        own = words[0].endswith("containerd-shim-runc-v2") and str(CONTAINERD_SOCKET) in words
        if own:
            processes.kill(pid)


def unmount() -> None:
    """Unmount what containers, pods and their networks left, the innermost first."""
    roots = (str(CONTAINERD_STATE), str(containerd_root()), str(KUBELET_ROOT))
    lines = Path("/proc/self/mounts").read_text().splitlines()
    targets = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    for target in reversed(targets):
        if target in roots or target.startswith(tuple(f"{root}/" for root in roots)):
            output(["umount", "--lazy", target], check=False)


def _delete_container(name: str) -> None:
    output(["runc", "--root", RUNC_CONTAINERS, "delete", "--force", name], check=False)


def _configuration(pause_image: str) -> str:
    # restrict_oom_score_adj: without CAP_SYS_RESOURCE the score cannot be lowered, and runc fails
    # with "can't get final child's PID from pipe".
    return f"""\
version = 2
root = "{containerd_root()}"
state = "{CONTAINERD_STATE}"
[grpc]
  address = "{CONTAINERD_SOCKET}"
[ttrpc]
  address = "{CONTAINERD_SOCKET}.ttrpc"
[plugins."io.containerd.internal.v1.opt"]
  path = "{containerd_root()}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  sandbox_image = "{pause_image}"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{CNI_PLUGINS}"
    conf_dir = "{CNI_FOLDER}"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      Root = "{RUNC_STATE}"
"""
