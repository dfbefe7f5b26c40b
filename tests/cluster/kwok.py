"""Fake nodes beside the real one, for benchmarks with more pods than a machine can hold.

kwok.yaml says how their pods behave. A pod gets there by selecting LABEL and tolerating the taint
with TOLERATION. No other pod does: it would seem to run, and nothing would run it.
"""

import json
from pathlib import Path

from tests.cluster import binaries, probes, processes
from tests.cluster.binaries import binary
from tests.cluster.paths import KUBECONFIG
from tests.cluster.processes import Component
from tests.cluster.progress import output, stage, wait_until

CONFIGURATION_FILE = Path(__file__).with_name("kwok.yaml")
ANNOTATION = {"kwok.x-k8s.io/node": "fake"}
LABEL = {"type": "kwok"}
TAINT = {"key": "kwok.x-k8s.io/node", "value": "fake", "effect": "NoSchedule"}
TOLERATION = {**TAINT, "operator": "Equal"}
CAPACITY = {"cpu": "64", "memory": "256Gi", "pods": "1000"}


def component() -> Component:
    """The program that plays the kubelets of all fake nodes."""
    command = [
        str(binary("kwok")),
        f"--kubeconfig={KUBECONFIG}",
        f"--config={CONFIGURATION_FILE}",
        # A line per pod and stage would cost more than playing them.
        "--v=WARN",
    ]
    return Component("kwok", command, lambda: probes.healthy("http://127.0.0.1:10247/healthz"))


def set_nodes(count: int) -> None:
    """Have exactly this many fake nodes; none ends kwok too."""
    wanted = [f"kwok-{number}" for number in range(count)]
    if wanted:
        binaries.build(binaries.KWOK)
        with stage("kwok"):
            processes.start(component())
    with stage(f"{count} fake nodes"):
        surplus = sorted(_nodes() - set(wanted))
        if surplus:
            _kubectl("delete", "node", *surplus)
        if wanted:
            items = [node(name) for name in wanted]
            manifest = {"apiVersion": "v1", "kind": "List", "items": items}
            _kubectl("apply", "-f", "-", standard_input=json.dumps(manifest))
            wait_until(lambda: _nodes(ready=True) == set(wanted), 60, "Ready fake nodes")
    if not wanted:
        processes.stop(["kwok"])


def _nodes(*, ready: bool = False) -> set[str]:
    listed = json.loads(_kubectl("get", "nodes", "-l", "type=kwok", "-o", "json"))
    return {
        item["metadata"]["name"]
        for item in listed["items"]
        if not ready
        or any(
            condition["type"] == "Ready" and condition["status"] == "True"
            for condition in item.get("status", {}).get("conditions", [])
        )
    }


def node(name: str) -> dict[str, object]:
    """Return the manifest of a fake node."""
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "annotations": ANNOTATION, "labels": LABEL},
        "spec": {"taints": [TAINT]},
        "status": {"allocatable": CAPACITY, "capacity": CAPACITY},
    }


def _kubectl(*words: str, standard_input: str | None = None) -> str:
    command = [binaries.kubectl(), "--kubeconfig", KUBECONFIG, *words]
    return output(command, standard_input=standard_input)
