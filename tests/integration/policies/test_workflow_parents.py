"""The policy on workflows: each parent is a task of the same workflow."""

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.task import MAX_TASKS

from tests.cluster.progress import wait_until
from tests.integration.policies.objects import API, NAMESPACE, refusal
from tests.kubectl import Kubectl


def workflow(*tasks: JsonObject) -> JsonObject:
    metadata = {"name": "orders", "namespace": NAMESPACE}
    body = {"tasks": list(tasks)}
    return {"apiVersion": API, "kind": "Workflow", "metadata": metadata, "spec": body}


def python(name: str, *parents: str) -> JsonObject:
    return {"name": name, "python": "m:f", "parents": list(parents)}


@pytest.fixture(scope="module")
def checked(kubectl: Kubectl) -> Kubectl:
    """The cluster once the policy on parents is in force."""
    bad = workflow(python("a", "nobody"))
    wait_until(lambda: refusal(kubectl, bad) != "", 30, "the policy on parents")
    return kubectl


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([python("a", "nobody")], "task a names the parent nobody"),
        ([python("a"), python("b", "a", "A")], "task b names the parent A"),
        ([python("a"), {"name": "b", "container": {"image": "i"}, "parents": ["c"]}], "parent c"),
    ],
)
def test_an_unknown_parent_is_refused_by_name(
    checked: Kubectl, tasks: list[JsonObject], words: str
) -> None:
    message = refusal(checked, workflow(*tasks))
    assert words in message
    assert "is not a task of this workflow" in message


@pytest.mark.parametrize(
    "tasks",
    [
        [{"name": "a", "python": "m:f"}],
        [python("a")],
        [python("b", "a"), python("a")],
        [python("c", "a", "b"), python("b", "a"), python("a")],
    ],
)
def test_known_parents_are_fine_in_any_order(checked: Kubectl, tasks: list[JsonObject]) -> None:
    assert refusal(checked, workflow(*tasks)) == ""


@pytest.mark.parametrize("size", [2, 600, 640, MAX_TASKS])
def test_a_policy_never_costs_too_much_to_be_asked(checked: Kubectl, size: int) -> None:
    chain = [python(f"task-{n}", *([f"task-{n - 1}"] if n else [])) for n in range(size)]
    assert refusal(checked, workflow(*chain)) == ""
    join = [*(python(f"task-{n}") for n in range(size - 1))]
    join.append(python("join", *(task["name"] for task in join)))
    assert refusal(checked, workflow(*join)) == ""
