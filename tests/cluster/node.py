"""The one real node: containerd, kubelet and kube-proxy on this machine.

Called by local.py once the control plane serves, and by `start` and `stop`.
"""

import contextlib
import json
import os
from pathlib import Path

from tests.cluster import containerd, probes
from tests.cluster.binaries import binary
from tests.cluster.certificates import certificate, key, kubeconfig
from tests.cluster.network import NODE_ADDRESS, POD_NETWORK, POD_NETWORK_NAME
from tests.cluster.paths import CONFIGURATION, CONTAINERD_SOCKET, KUBELET_ROOT, POD_LOGS
from tests.cluster.processes import Component

NODE_NAME = "podhatch-node"
MAXIMUM_PODS = 200


def components(pause_image: str) -> list[Component]:
    """The node's programs in the order in which they start."""
    return [containerd.component(pause_image), kubelet(), kube_proxy()]


def kubelet() -> Component:
    """The kubelet, with its state outside the clone: its sockets need a short path."""
    configuration = CONFIGURATION / "kubelet.json"
    command = [
        str(binary("kubelet")),
        f"--config={configuration}",
        f"--kubeconfig={kubeconfig('kubelet')}",
        f"--hostname-override={NODE_NAME}",
        f"--node-ip={NODE_ADDRESS}",
        f"--root-dir={KUBELET_ROOT}",
    ]
    health = "http://127.0.0.1:10248/healthz"
    return Component(
        "kubelet",
        command,
        lambda: probes.healthy(health),
        files={configuration: json.dumps(_kubelet_configuration(), indent=2)},
    )


def kube_proxy() -> Component:
    """The service addresses, as packet rules of this machine."""
    configuration = CONFIGURATION / "kube-proxy.json"
    command = [
        str(binary("kube-proxy")),
        f"--config={configuration}",
        f"--hostname-override={NODE_NAME}",
    ]
    health = "http://127.0.0.1:10256/livez"
    return Component(
        "kube-proxy",
        command,
        lambda: probes.healthy(health),
        files={configuration: json.dumps(_kube_proxy_configuration(), indent=2)},
    )


def ready() -> bool:
    """Whether the API server calls the node Ready and pods find their service account."""
    if not probes.get("/api/v1/namespaces/default/serviceaccounts/default"):
        return False
    node = probes.get(f"/api/v1/nodes/{NODE_NAME}") or {}
    conditions = node.get("status", {}).get("conditions", [])
    return any(item["type"] == "Ready" and item["status"] == "True" for item in conditions)


def remove_leftovers() -> None:
    """Remove what kubelet and runtime put outside their own folders: cgroups, links, addresses."""
    groups = Path("/sys/fs/cgroup")
    for root in (groups / "kubepods", *groups.glob("*/kubepods")):
        for folder, _, _ in os.walk(root, topdown=False):
            with contextlib.suppress(OSError):  # the kernel refuses to remove one in use
                Path(folder).rmdir()
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(POD_LOGS):
            link.unlink()
    results = Path("/var/lib/cni/results")
    for result in list(results.glob(f"{POD_NETWORK_NAME}-*-eth0")):
        sandbox = result.name.split("-")[1]
        for file in results.glob(f"*-{sandbox}-*"):
            file.unlink()


def _kubelet_configuration() -> dict[str, object]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        "cgroupDriver": "cgroupfs",
        "failSwapOn": False,
        "failCgroupV1": False,
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": certificate("ca")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": certificate("kubelet"),
        "tlsPrivateKeyFile": key("kubelet"),
        "podLogsDir": str(POD_LOGS),
        "maxPods": MAXIMUM_PODS,
        "serializeImagePulls": False,
        "registryPullQPS": 0,
        # Images were loaded, not pulled: collected ones would not come back.
        "imageGCHighThresholdPercent": 100,
        "evictionHard": {"memory.available": "100Mi"},
        "kubeAPIQPS": 100,
        "kubeAPIBurst": 200,
        # No name server runs: a lookup is refused at once, and no pod gets a warning event for it.
        "clusterDNS": ["127.0.0.1"],
        "clusterDomain": "cluster.local",
        "resolvConf": "",
    }


def _kube_proxy_configuration() -> dict[str, object]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": kubeconfig("kube-proxy")},
        "mode": "iptables",
        "clusterCIDR": POD_NETWORK,
        # Nothing of the machine's connection tracking may be changed.
        "conntrack": {
            "maxPerCore": 0,
            "min": 0,
            "tcpEstablishedTimeout": "0s",
            "tcpCloseWaitTimeout": "0s",
        },
    }
