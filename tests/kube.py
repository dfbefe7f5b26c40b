"""kubectl for tests: what a user would type, against the cluster of this repository."""

import json
import os
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from podhatch.api.model import JsonObject

from tests.cluster.binaries import binary

REPOSITORY = Path(__file__).resolve().parent.parent
KUBECONFIG = REPOSITORY / ".cluster" / "kubeconfig"
OPERATOR_NAMESPACE = "podhatch-system"
OPERATOR = f"system:serviceaccount:{OPERATOR_NAMESPACE}:podhatch"
"""Whom the admission policies trust to create a run in the name of a task."""
T = TypeVar("T")


class KubectlError(Exception):
    """kubectl did not succeed; the message is what it printed."""


def kubectl(*arguments: str, stdin: str | None = None) -> str:
    """Run kubectl and return what it prints.

    Raises:
        KubectlError: it failed.
    """
    program = [str(binary("kubectl")), "--kubeconfig", str(KUBECONFIG), *arguments]
    done = subprocess.run(program, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise KubectlError(done.stderr)
    return done.stdout


def operator_pod() -> str:
    """Return the name of the operator's pod that leads; nothing while none does."""
    lease = ("-n", OPERATOR_NAMESPACE, "get", "lease", "podhatch")
    return kubectl(*lease, "-o", "jsonpath={.spec.holderIdentity}")


def real_node() -> JsonObject:
    """Return the node that runs pods; fake nodes may be beside it."""
    [node] = json.loads(kubectl("get", "nodes", "-l", "type!=kwok", "-o", "json"))["items"]
    found: JsonObject = node
    return found


@dataclass(frozen=True)
class Namespace:
    """A namespace that one test has to itself."""

    name: str

    def kubectl(self, *arguments: str, stdin: str | None = None) -> str:
        """Run kubectl in this namespace."""
        return kubectl("-n", self.name, *arguments, stdin=stdin)

    def apply(self, *manifests: JsonObject) -> None:
        """Apply objects as `kubectl apply -f` does."""
        for manifest in manifests:
            self.kubectl("apply", "-f", "-", stdin=json.dumps(manifest))

    def get(self, kind: str, name: str) -> JsonObject:
        """Return an object."""
        found: JsonObject = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def list(self, kind: str, selector: str = "") -> list[JsonObject]:
        """Return all objects of a kind, or those that the label selector matches."""
        text = self.kubectl("get", kind, "-o", "json", "-l", selector)
        items: list[JsonObject] = json.loads(text)["items"]
        return items

    def run(self, name: str, workflow: str, **spec: object) -> None:
        """Create a WorkflowRun."""
        self.apply(run_manifest(name, workflow, **spec))

    def wait(self, run: str, phase: str, seconds: int = 60) -> JsonObject:
        """Wait until a run is in a phase, and return it."""
        condition = f"--for=jsonpath={{.status.phase}}={phase}"
        try:
            self.kubectl("wait", f"wfr/{run}", condition, f"--timeout={seconds}s")
        except KubectlError as error:
            stands = self.kubectl("get", "wfr", run, "-o", "yaml")
            raise AssertionError(f"{run} is not {phase}: {error}\n{stands}") from None
        return self.get("wfr", run)

    def wait_for_reason(self, run: str, task: str, reason: str, seconds: float = 30) -> JsonObject:
        """Wait until a task of a run gives a reason, and return its entry."""

        def entry() -> JsonObject | None:
            found = tasks(self.get("wfr", run)).get(task, {})
            return found if found.get("reason") == reason else None

        return eventually(entry, seconds, f"task {task} of {run} to say {reason}")


def tasks(run: JsonObject) -> dict[str, JsonObject]:
    """Return the entries of a run's tasks by name."""
    return {entry["name"]: entry for entry in run.get("status", {}).get("tasks", [])}


def eventually(check: Callable[[], T | None], seconds: float, what: str) -> T:
    """Ask until there is an answer, at most so long."""
    deadline = time.monotonic() + seconds
    while (answer := check()) is None or answer is False:
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(0.1)
    return answer


def workflow_manifest(name: str, *tasks: JsonObject, **spec: object) -> JsonObject:
    """Return a Workflow."""
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": name},
        "spec": {"tasks": list(tasks), **spec},
    }


def run_manifest(name: str, workflow: str, **spec: object) -> JsonObject:
    """Return a WorkflowRun."""
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {"name": name},
        "spec": {"workflow": workflow, **spec},
    }


def shell(name: str, script: str, *parents: str, **fields: object) -> JsonObject:
    """Return a container task that runs a shell script."""
    container = {"image": "python:3.13-slim", "command": ["sh", "-c", script]}
    relation = {"parents": list(parents)} if parents else {}
    return {"name": name, "container": container, **relation, **fields}


def user_environment(namespace: str, folder: Path) -> dict[str, str]:
    """Return the environment of a user whose kubeconfig points to a namespace."""
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_bytes(KUBECONFIG.read_bytes())
    subprocess.run(
        [
            *(str(binary("kubectl")), "--kubeconfig", str(kubeconfig)),
            *("config", "set-context", "--current", f"--namespace={namespace}"),
        ],
        check=True,
        capture_output=True,
    )
    return {**os.environ, "KUBECONFIG": str(kubeconfig)}
