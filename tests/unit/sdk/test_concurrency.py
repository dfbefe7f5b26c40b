"""Concurrency limits in definitions, as they stand in the Workflow."""

from typing import Any

import pytest
import yaml
from podhatch import ConcurrencyExpression, ConcurrencyLimitStrategy, Hatchet
from podhatch.api.model import JsonObject

hatchet = Hatchet()
PER_TENANT = ConcurrencyExpression("input.tenant", 2, ConcurrencyLimitStrategy.CANCEL_NEWEST)
SHARED = ConcurrencyExpression(None, "input.size", name="database")


def work(input: object, ctx: object) -> str:
    return "done"


def spec(concurrency: Any) -> JsonObject:
    """Return the spec of a workflow with these limits."""
    flow = hatchet.workflow("flow", image="shop:1", concurrency=concurrency)
    flow.task("work")(work)
    [document] = yaml.safe_load_all(flow.to_yaml())
    return document["spec"]


def test_a_number_is_a_limit_for_all() -> None:
    assert spec(3)["concurrency"] == [{"maxRuns": 3}]
    assert ConcurrencyExpression.from_int(3) == ConcurrencyExpression(None, 3)


def test_a_list_is_a_chain_of_limits() -> None:
    assert spec([PER_TENANT, SHARED])["concurrency"] == [
        {"expression": "input.tenant", "maxRuns": 2, "limitStrategy": "CANCEL_NEWEST"},
        {"maxRuns": "input.size", "name": "database"},
    ]


def test_tasks_and_hooks_have_limits_of_their_own() -> None:
    flow = hatchet.workflow("limited", image="shop:1")
    first = flow.task("first", concurrency=1)(work)
    flow.task("second", parents=[first], concurrency=PER_TENANT)(work)
    flow.on_failure_task(concurrency=2)(work)
    [document] = yaml.safe_load_all(flow.to_yaml())
    found = document["spec"]
    assert "concurrency" not in found
    assert [task["concurrency"][0]["maxRuns"] for task in found["tasks"]] == [1, 2]
    assert found["onFailureTask"]["concurrency"] == [{"maxRuns": 2}]


def test_a_standalone_task_limits_its_runs_and_keeps_the_limit_where_it_is_added() -> None:
    alone = hatchet.task("alone", image="shop:1", concurrency=PER_TENANT)(work)
    [document] = yaml.safe_load_all(alone.workflow.to_yaml())
    assert document["spec"]["concurrency"][0]["expression"] == "input.tenant"
    flow = hatchet.workflow("many", image="shop:1")
    flow.add_task(alone)
    [document] = yaml.safe_load_all(flow.to_yaml())
    assert document["spec"]["tasks"][0]["concurrency"][0]["expression"] == "input.tenant"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (0, "max_runs: expected a whole number from 1 to 1000000, or a CEL expression, got 0"),
        (
            "input.tenant",
            "expected a whole number, a ConcurrencyExpression, or a list of them",
        ),
        (
            {"max_runs": 1},
            "expected a whole number, a ConcurrencyExpression, or a list of them",
        ),
        ([PER_TENANT, 7], "[1]: expected a ConcurrencyExpression, got 7"),
        (ConcurrencyExpression("", 1), "expression: expected a CEL expression, got ''"),
        (ConcurrencyExpression("x", True), "max_runs: expected a whole number from 1 to"),
        (ConcurrencyExpression("x", 1, name="n" * 64), "name: expected 1 to 63 characters"),
        (
            ConcurrencyExpression("x", 1, "CANCEL"),  # pyright: ignore[reportArgumentType]
            "limit_strategy: expected one of GROUP_ROUND_ROBIN, CANCEL_IN_PROGRESS,",
        ),
        ([PER_TENANT] * 9, "at most 8 limits are allowed, got 9"),
    ],
)
def test_what_cannot_be_is_refused_where_it_is_written(given: object, words: str) -> None:
    with pytest.raises(ValueError, match="workflow 'flow': concurrency") as refused:
        spec(given)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("limit", "words"),
    [
        (ConcurrencyExpression("input.", 1), "concurrency[0].expression: 'input.' is not CEL"),
        (ConcurrencyExpression("parents.a", 1), "concurrency[0].expression: 'parents.a'"),
        (ConcurrencyExpression("input.a", "1 +"), "concurrency[0].max_runs: '1 +' is not CEL"),
    ],
)
def test_an_expression_that_does_not_compile_is_refused(
    limit: ConcurrencyExpression, words: str
) -> None:
    with pytest.raises(ValueError, match="workflow 'flow'") as refused:
        spec(limit)
    assert words in str(refused.value)
