"""When a workflow is valid, and what its status says when it is not."""

from datetime import datetime, timedelta

import pytest
from podhatch.api.model import JsonObject
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.workflow.dag import shape_problems
from podhatch.core.workflow.validate import check_workflow, workflow_problems

from tests.fakes.answers import answered
from tests.fakes.objects import NOW, task, workflow
from tests.unit.core.planning import spec_of

ASKED = Questions(IN_PROCESS)


def checked(flow: JsonObject, now: datetime) -> JsonObject | None:
    return answered(lambda known: check_workflow(flow, now, answers=known)).status


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([task("a", "b")], "spec.tasks[a].parents: no task is named 'b'"),
        ([task("a", "c"), task("b", "a"), task("c", "b")], "cycle, a -> b -> c -> a"),
        (
            [
                task(
                    "a",
                    desiredWorkerLabels=[{"key": "k", "value": "x", "comparator": "LessThan"}],
                )
            ],
            "spec.tasks[a].desiredWorkerLabels[k].value: LessThan compares whole numbers",
        ),
    ],
)
def test_a_misshapen_workflow_is_described(tasks: list[JsonObject], words: str) -> None:
    problems = shape_problems(spec_of(*tasks), ASKED)
    assert len(problems) == 1
    # Where a cycle begins to be told is the library's choice.
    assert words in problems[0] or ("cycle" in words and "cycle" in problems[0])


def test_a_good_shape_has_no_problems() -> None:
    numbers = [{"key": "k", "value": "-3", "comparator": "GreaterThan"}]
    assert (
        shape_problems(spec_of(task("b", "a"), task("a", desiredWorkerLabels=numbers)), ASKED) == []
    )


def test_a_valid_workflow_is_said_to_be_valid_once() -> None:
    flow = workflow(task("a"), inputSchema={"type": "object"})
    status = checked(flow, NOW)
    assert status is not None
    assert status["conditions"][0]["status"] == "True"
    assert checked({**flow, "status": status}, NOW + timedelta(seconds=9)) is None


def test_an_invalid_workflow_says_all_that_is_wrong() -> None:
    flow = workflow(task("a", "a"), inputSchema={"type": "objekt"})
    status = checked(flow, NOW)
    assert status is not None
    condition = status["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("False", "WorkflowInvalid")
    assert "cycle" in condition["message"]
    assert "inputSchema.type" in condition["message"]


def test_limits_that_cannot_be_used_are_named_with_their_field() -> None:
    limits: list[JsonObject] = [{"maxRuns": 0}, {"maxRuns": "1 +", "expression": "parents.a"}]
    spec = spec_of(
        task("a", concurrency=[{"maxRuns": 1, "expression": "input."}]),
        concurrency=limits,
        onFailureTask={"name": "mend", "python": "m:mend", "concurrency": [{"maxRuns": -1}]},
    )
    found = workflow_problems(spec, Questions(IN_PROCESS))
    fields = [
        "spec.concurrency[0].maxRuns: expected a whole number from 1 to 1000000, got 0",
        "spec.concurrency[1].expression: 'parents.a' is not CEL",
        "spec.concurrency[1].maxRuns: '1 +' is not CEL",
        "spec.tasks[a].concurrency[0].expression: 'input.' is not CEL",
        "spec.onFailureTask.concurrency[0].maxRuns: expected a whole number from 1 to 1000000",
    ]
    assert [problem[: len(field)] for problem, field in zip(found, fields, strict=True)] == fields
