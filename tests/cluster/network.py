"""The addresses of the local cluster, and the kernel settings that carry them.

Called by local.py before the control plane starts and, to take everything away again, by `down`.
"""

import json
import shutil
from pathlib import Path

from tests.cluster.paths import CONFIGURATION, POD_ADDRESSES
from tests.cluster.progress import output

NODE_INTERFACE = "podhatch-node"
NODE_ADDRESS = "10.222.0.1"
SERVICE_NETWORK = "10.96.0.0/16"
SERVICE_ADDRESS = "10.96.0.1"
POD_NETWORK = "10.244.0.0/16"
NODE_POD_NETWORK = "10.244.0.0/24"
POD_NETWORK_NAME = "podhatch"
CNI_FOLDER = CONFIGURATION / "cni"


def create() -> None:
    """Give the node an address of its own and write what the pods' network looks like."""
    # A bridge without ports: some kernels have no dummy interfaces, and pods need no bridge.
    if not interface_exists():
        output(["ip", "link", "add", NODE_INTERFACE, "type", "bridge"])
        output(["ip", "address", "add", f"{NODE_ADDRESS}/32", "dev", NODE_INTERFACE])
        output(["ip", "link", "set", NODE_INTERFACE, "up"])
    Path("/proc/sys/net/ipv4/ip_forward").write_text("1")
    CNI_FOLDER.mkdir(parents=True, exist_ok=True)
    (CNI_FOLDER / "10-podhatch.conflist").write_text(json.dumps(_pod_network()))


def interface_exists() -> bool:
    """Whether the node's interface is there."""
    return Path(f"/sys/class/net/{NODE_INTERFACE}").exists()


def _pod_network() -> dict[str, object]:
    # Each pod is routed, not bridged: a service's answer between two pods then always passes the
    # host's address translation, whatever the kernel does with bridged packets.
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": NODE_POD_NETWORK}]],
        "routes": [{"dst": "0.0.0.0/0"}],
        "dataDir": str(POD_ADDRESSES),
    }
    return {
        "cniVersion": "0.4.0",
        "name": POD_NETWORK_NAME,
        "plugins": [
            {"type": "ptp", "ipMasq": True, "ipam": addresses},
            {"type": "portmap", "capabilities": {"portMappings": True}},
        ],
    }


def remove() -> None:
    """Take away the interface and every packet rule of the cluster."""
    if interface_exists():
        output(["ip", "link", "delete", NODE_INTERFACE])
    if not shutil.which("iptables-save"):
        return
    for table in ("nat", "filter", "mangle"):
        rules = output(["iptables-save", "-t", table], check=False)
        kept = without_cluster_rules(rules)
        if kept != rules:
            output(["iptables-restore", "-w", "5", "-T", table], standard_input=kept)


def without_cluster_rules(saved: str) -> str:
    """Drop the chains of kube-proxy, kubelet and this pod network from a saved table."""
    lines = saved.splitlines(keepends=True)
    own = {line.split()[0][1:] for line in lines if line.startswith(":KUBE-")}
    own |= {
        word
        for line in lines
        if _of_pod_network(line)
        for word in line.split()
        if word.startswith("CNI-")
    }

    def kept(line: str) -> bool:
        if line.startswith(":"):
            return line.split()[0][1:] not in own
        return not own.intersection(line.split())

    return "".join(line for line in lines if kept(line))


def _of_pod_network(line: str) -> bool:
    return "CNI-" in line and f'name: \\"{POD_NETWORK_NAME}\\"' in line
