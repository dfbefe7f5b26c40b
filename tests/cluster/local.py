"""The cluster that runs as plain processes on this machine: how it comes up and goes down.

Called by __main__.py where there is no docker daemon with kind.
"""

import dataclasses
import shutil
import socket
from functools import partial

from tests.cluster import (
    binaries,
    certificates,
    containerd,
    control_plane,
    images,
    kwok,
    machine,
    network,
    node,
    packages,
    processes,
)
from tests.cluster.control_plane import Profile
from tests.cluster.images import Image
from tests.cluster.paths import (
    CONTAINERD_STATE,
    ETCD_DATA,
    KUBELET_ROOT,
    LOGS,
    POD_ADDRESSES,
    POD_LOGS,
    RECORDS,
    REPOSITORY,
    RUNC_STATE,
    STATE,
)
from tests.cluster.processes import Component
from tests.cluster.progress import ClusterError, say, stage, wait_until

PROFILE = STATE / "profile"
PORTS = {
    "etcd": (2379, 2380),
    "kube-apiserver": (6443,),
    "kube-controller-manager": (10257,),
    "kube-scheduler": (10259,),
    "kubelet": (10250, 10248),
    "kube-proxy": (10249, 10256),
}
# Ended first, or the kubelet would restart what is ended after it.
NODE_PROGRAMS = ("kubelet", "kube-proxy", "kwok")


def up(profile: Profile | None) -> None:
    """Bring the cluster up, or leave a healthy one alone apart from its profile."""
    if ours() and healthy():
        say("  the cluster is up")
        _set_profile(profile or current_profile())
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
    if machine.owner() not in (None, REPOSITORY):
        say(f"  nothing of this folder is up; the running cluster belongs to {machine.owner()}")
        return
    with stage("stop"):
        _end()


def load(loaded: list[Image]) -> None:
    """Build what changed and bring it into the running cluster, if it is ours."""
    packages.install()
    images.ensure_built(loaded)
    if ours():
        images.load(loaded)


def ours() -> bool:
    """Whether the machine's cluster belongs to this clone."""
    return machine.owner() == REPOSITORY


def start_component(name: str, *flags: str) -> None:
    """Start one program, with more flags than usual if a test wants that."""
    usual = _component(name)
    processes.start(dataclasses.replace(usual, command=[*usual.command, *flags]))


def stop_component(name: str) -> None:
    """Stop one program, as a fault would."""
    processes.stop([_component(name).name])


def state() -> dict[str, bool]:
    """Which programs run for this clone, and whether the API server and the node are ready."""
    programs = {
        component.name: ours() and processes.running(component.name)
        for component in _components(current_profile())
    }
    return {**programs, "API ready": control_plane.api_ready(), "node Ready": node.ready()}


def healthy() -> bool:
    """Whether nothing of the cluster is missing."""
    return all(state().values())


def current_profile() -> Profile:
    """The profile the running cluster was last set to."""
    return "tuned" if PROFILE.exists() and PROFILE.read_text() == "tuned" else "stock"


def _set_profile(profile: Profile) -> None:
    if profile == current_profile():
        return
    with stage(f"{profile} controller manager and scheduler"):
        processes.stop(["kube-controller-manager", "kube-scheduler"])
        PROFILE.write_text(profile)
        processes.start(control_plane.controller_manager(profile))
        processes.start(control_plane.scheduler(profile))


def _component(name: str) -> Component:
    if not ours():
        raise ClusterError("the cluster is not up.")
    known = {known.name: known for known in (*_components(current_profile()), kwok.component())}
    if name not in known:
        raise ClusterError(f"there is no component {name}; there are {', '.join(known)}.")
    return known[name]


def _components(profile: Profile) -> list[Component]:
    pause = images.pause().reference
    return [*control_plane.components(profile), *node.components(pause)]


def _start(profile: Profile) -> None:
    machine.take()
    PROFILE.write_text(profile)
    with stage("network and certificates"):
        network.create()
        certificates.create(
            node.NODE_NAME,
            control_plane.API_SERVER_NAMES,
            [node.NODE_NAME, network.NODE_ADDRESS],
        )
    for component in _components(profile):
        component.log.unlink(missing_ok=True)
        with stage(component.name):
            processes.start(component)
        if component.name == "containerd":
            containerd.remove_containers()
            images.forget_project()
            images.load([images.pause(), images.python()])
    with stage("node Ready"):
        wait_until(node.ready, 60, f"A Ready node (see {LOGS / 'kubelet.log'})")


def _clear_the_way() -> None:
    holder = machine.owner()
    if holder not in (None, REPOSITORY):
        say(f"  taking over from the cluster of {holder}")
    if holder:
        with stage("stop the earlier cluster"):
            _end()
    else:
        _end()  # a machine that was switched off has forgotten the owner, but kept some files
    for name, ports in PORTS.items():
        for port in ports:
            # A program that was killed holds its port until its last thread has ended.
            try:
                wait_until(partial(_is_free, port), 10, f"port {port}")
            except ClusterError as error:
                message = f"{name} cannot start: another program uses port {port}."
                raise ClusterError(message) from error


def _end() -> None:
    """Stop everything that any clone's cluster started on this machine; nothing left is fine."""
    processes.stop(NODE_PROGRAMS)
    containerd.end_containers()
    if processes.running("containerd"):
        containerd.remove_containers()
    processes.stop(processes.recorded())
    containerd.end_shims()
    containerd.unmount()
    network.remove()
    node.remove_leftovers()
    for folder in (CONTAINERD_STATE, RUNC_STATE, POD_ADDRESSES, KUBELET_ROOT, POD_LOGS, RECORDS):
        shutil.rmtree(folder, ignore_errors=True)
    shutil.rmtree(ETCD_DATA, ignore_errors=True)
    machine.release()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) != 0
