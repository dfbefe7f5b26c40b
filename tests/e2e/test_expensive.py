"""What expensive expressions and schemas get on the cluster, and what others notice of them."""

from datetime import datetime
from functools import partial
from itertools import pairwise

from podhatch.api.model import JsonObject

from tests.kube import (
    OPERATOR_NAMESPACE,
    Namespace,
    eventually,
    kubectl,
    shell,
    tasks,
    workflow_manifest,
)

HOSTILE = 20
LEVELS = 24
CHAIN = "abcde"
RUNS = 3
HOP_BUDGET = 0.25
"""Seconds, the p99 that a hop may take: less is noise, whatever the ratio."""
DOUBLING: JsonObject = {
    "$defs": {
        **{
            f"d{level}": {"allOf": [{"$ref": f"#/$defs/d{level + 1}"}] * 2}
            for level in range(LEVELS)
        },
        f"d{LEVELS}": {},
    },
    "$ref": "#/$defs/d0",
}
REFUSING: JsonObject = {"anyOf": [False] * 3000}


def restarts() -> list[str]:
    path = "{.items[*].status.containerStatuses[*].restartCount}"
    return kubectl("-n", OPERATOR_NAMESPACE, "get", "pods", "-o", f"jsonpath={path}").split()


def hops(namespace: Namespace, names: list[str]) -> list[float]:
    """Run the chain once for each name; return the seconds from each task's end to the next."""
    found: list[float] = []
    for name in names:
        namespace.run(name, "plain")
        entries = tasks(namespace.wait(name, "Succeeded"))
        for parent, child in pairwise(CHAIN):
            end = datetime.fromisoformat(entries[parent]["finishedAt"])
            begin = datetime.fromisoformat(entries[child]["queuedAt"])
            found.append((begin - end).total_seconds())
    return found


def verdict(namespace: Namespace, run: str) -> str | None:
    """Return why a run was not accepted, once that is its schema's cost."""
    conditions = namespace.get("wfr", run).get("status", {}).get("conditions", [])
    messages = (
        each["message"] for each in conditions if each["reason"] == "ExpressionTooExpensive"
    )
    return next(messages, None)


def test_expensive_schemas_stop_their_own_runs_and_leave_others_alone(
    namespace: Namespace,
) -> None:
    before = restarts()
    chain: list[JsonObject] = [{"name": CHAIN[0], "python": "os:getuid"}]
    chain += [{"name": each, "python": "os:getuid", "parents": [p]} for p, each in pairwise(CHAIN)]
    namespace.apply(workflow_manifest("plain", *chain))
    alone = hops(namespace, [f"alone-{number}" for number in range(RUNS)])
    for number in range(HOSTILE):
        schema = DOUBLING if number % 2 else REFUSING
        namespace.apply(workflow_manifest(f"bad-{number}", shell("a", "true"), inputSchema=schema))
        namespace.run(f"bad-{number}", f"bad-{number}", input={"x": "y" * 200_000})
    beside = hops(namespace, [f"beside-{number}" for number in range(RUNS)])
    for number in range(HOSTILE):
        message = eventually(partial(verdict, namespace, f"bad-{number}"), 60, f"verdict {number}")
        assert "too expensive to check" in message
    assert restarts() == before
    assert max(beside) <= max(2 * max(alone), HOP_BUDGET), f"alone {alone}, beside {beside}"


def test_a_schema_that_refers_to_itself_for_ever_is_not_valid(namespace: Namespace) -> None:
    flow = workflow_manifest("loop", shell("a", "true"), inputSchema={"$ref": "#"})
    namespace.apply(flow)
    (condition,) = eventually(
        lambda: namespace.get("wf", "loop").get("status", {}).get("conditions"), 10, "conditions"
    )
    assert condition["status"] == "False"
    assert "the reference '#' leads back to itself" in condition["message"]
