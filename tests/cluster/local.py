"""The cluster that runs as plain processes on this machine: how it comes up and goes down.

Called by __main__.py where there is no docker daemon with kind. One such cluster runs per machine;
a file in /run names the clone it belongs to.
"""

import shutil
import socket
from collections.abc import Generator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from tests.cluster import (
    binaries,
    certificates,
    containerd,
    control_plane,
    images,
    network,
    node,
    packages,
    processes,
)
from tests.cluster.control_plane import Profile
from tests.cluster.paths import (
    CONTAINERD_STATE,
    ETCD_DATA,
    KUBELET_ROOT,
    LOGS,
    MACHINE,
    POD_ADDRESSES,
    POD_LOGS,
    RECORDS,
    REPOSITORY,
    RUNC_STATE,
    STATE,
)
from tests.cluster.processes import Component
from tests.cluster.progress import ClusterError, say, stage, wait_until

OWNER = MACHINE / "owner"
PROFILE = STATE / "profile"
PORTS = {
    "etcd": (2379, 2380),
    "kube-apiserver": (6443,),
    "kube-controller-manager": (10257,),
    "kube-scheduler": (10259,),
    "kubelet": (10250, 10248),
    "kube-proxy": (10249, 10256),
}
# The node first: the kubelet would restart what is ended.
NODE_PROGRAMS = ("kubelet", "kube-proxy", "kwok")


def up(profile: Profile | None) -> None:
    """Bring the cluster up, or leave a healthy one alone apart from its profile."""
    with _alone():
        if owner() == REPOSITORY and healthy():
            say("  the cluster is already up")
            set_profile(profile or current_profile())
            return
        _clear_the_way()
        packages.install()
        binaries.build(binaries.KUBERNETES, binaries.ETCD)
        images.ensure_built([images.pause(), images.python()])
        try:
            _start(profile or "stock")
        except BaseException:
            _end()
            raise


def down() -> None:
    """Stop this clone's cluster and leave nothing of it but the cache and the logs."""
    with _alone():
        holder = owner()
        if holder not in (None, REPOSITORY):
            say(f"  the running cluster belongs to {holder}; none of this folder is up")
            return
        with stage("stop"):
            _end()


def owner() -> Path | None:
    """The clone that the cluster of this machine belongs to."""
    return Path(OWNER.read_text()) if OWNER.exists() else None


def component(name: str) -> Component:
    """One program of the cluster as it is set up now."""
    for candidate in _components(current_profile()):
        if candidate.name == name:
            return candidate
    raise ClusterError(f"there is no component {name}.")


def healthy() -> bool:
    """Whether every program runs and the node is Ready."""
    names = [component.name for component in _components(current_profile())]
    return all(processes.running(name) for name in names) and node.ready()


def current_profile() -> Profile:
    """The profile the running cluster was last set to."""
    return "tuned" if PROFILE.exists() and PROFILE.read_text() == "tuned" else "stock"


def set_profile(profile: Profile) -> None:
    """Restart the two programs that a profile concerns, if it changes."""
    if profile == current_profile():
        return
    with stage(f"{profile} controller manager and scheduler"):
        processes.stop(["kube-controller-manager", "kube-scheduler"])
        PROFILE.write_text(profile)
        processes.start(control_plane.controller_manager(profile))
        processes.start(control_plane.scheduler(profile))


def _components(profile: Profile) -> list[Component]:
    pause = images.pause().reference
    return [*control_plane.components(profile), *node.components(pause)]


def _start(profile: Profile) -> None:
    shutil.rmtree(LOGS, ignore_errors=True)
    OWNER.write_text(str(REPOSITORY))
    PROFILE.write_text(profile)
    network.create()
    certificates.create(
        node.NODE_NAME,
        control_plane.API_SERVER_NAMES,
        [node.NODE_NAME, network.NODE_ADDRESS],
    )
    for component in _components(profile):
        with stage(component.name):
            processes.start(component)
            if component.name == "containerd":
                containerd.remove_containers()
                images.load([images.pause(), images.python()])
    with stage("node Ready"):
        wait_until(node.ready, 60, "A Ready node")


def _clear_the_way() -> None:
    holder = owner()
    if holder and holder != REPOSITORY:
        say(f"  taking over from the cluster of {holder}")
    if holder or processes.recorded():
        with stage("stop the earlier cluster"):
            _end()
    for name, ports in PORTS.items():
        for port in ports:
            if _in_use(port):
                raise ClusterError(
                    f"{name} cannot start: port {port} is in use by a program that is not podhatch's."
                )


def _end() -> None:
    """Stop everything that any clone's cluster started on this machine; nothing left is fine."""
    processes.stop(NODE_PROGRAMS)
    containerd.end_containers()
    if processes.running("containerd"):
        containerd.remove_containers()
    processes.stop(processes.recorded())
    containerd.end_shims()
    containerd.unmount()
    if shutil.which("ip") and shutil.which("iptables-save"):
        network.remove()
    for folder in (CONTAINERD_STATE, RUNC_STATE, POD_ADDRESSES, KUBELET_ROOT, POD_LOGS, RECORDS):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(ETCD_DATA, ignore_errors=True)
    OWNER.unlink(missing_ok=True)


def _in_use(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def _alone() -> Generator[None]:
    """Only one `up` or `down` at a time on a machine."""
    MACHINE.mkdir(parents=True, exist_ok=True)
    STATE.mkdir(exist_ok=True)
    with (MACHINE / "lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            say("  waiting for another up or down on this machine")
            flock(lock, LOCK_EX)
        yield
