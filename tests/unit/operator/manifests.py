"""Manifests as users create them, and a run that has started."""

from podhatch.api.model import JsonObject
from podhatch.cluster import (
    WORKFLOW_RUN,
)

from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator

API = WORKFLOW_RUN.api_version


def workflow(*tasks: JsonObject) -> JsonObject:
    return {
        "apiVersion": API,
        "kind": "Workflow",
        "metadata": {"name": "flow", "namespace": NAMESPACE},
        "spec": {"tasks": list(tasks) or [python("a")]},
    }


def python(name: str, *parents: str) -> JsonObject:
    return {"name": name, "python": f"module:{name}", "parents": list(parents)}


def run() -> JsonObject:
    metadata = {"name": "run", "namespace": NAMESPACE}
    return {
        "apiVersion": API,
        "kind": "WorkflowRun",
        "metadata": metadata,
        "spec": {"workflow": "flow"},
    }


async def started(operator: Operator, *tasks: JsonObject) -> None:
    """Have a run whose first Jobs are there."""
    await operator.user_creates(workflow(*tasks), run())
    await operator.work()
