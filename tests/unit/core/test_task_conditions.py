"""What conditions decide: cancelling before skipping before running, and the first one wins."""

from datetime import timedelta
from typing import Any

import pytest
from podhatch.api.event import WorkflowEvent
from podhatch.api.model import JsonObject
from podhatch.api.task import TaskSpec
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.run.conditions import ConditionInput, ConditionResult, evaluate_conditions

from tests.fakes.objects import NOW, event, task, workflow
from tests.unit.core.planning import plan, states
from tests.unit.core.test_cel import nested

SINCE = NOW - timedelta(seconds=10)
"""When the parents ended: ten seconds ago."""
CREATED = NOW - timedelta(seconds=100)
YES: JsonObject = {"parent": {"name": "p", "expression": "output.n == 1"}}
NO: JsonObject = {"parent": {"name": "p", "expression": "output.n > input.limit"}}
PAST: JsonObject = {"sleepSeconds": 4}
FUTURE: JsonObject = {"sleepSeconds": 30}
GO: JsonObject = {"event": {"key": "go"}}


def judge(
    *events: JsonObject, met: tuple[str, ...] = (), output: Any = None, **fields: object
) -> ConditionResult:
    situation = ConditionInput(
        since=SINCE,
        run_created=CREATED,
        now=NOW,
        input={"limit": 5},
        outputs={"p": {"n": 1} if output is None else output},
        events=[WorkflowEvent.model_validate(each) for each in events],
        questions=Questions(IN_PROCESS),
        met=met,
    )
    return evaluate_conditions(TaskSpec.model_validate(task("a", "p", **fields)), situation)


@pytest.mark.parametrize(
    ("pushed_by", "decision"),
    [
        (None, "Wait"),
        ({}, "Wait"),
        ({"user": ""}, "Wait"),
        ({"user": "alice@example.com"}, "Run"),
        ({"user": "kubernetes-admin"}, "Run"),
        ({"user": "system:admin"}, "Run"),
        ({"user": "alice@example.com", "job": "approve-1"}, "Wait"),
        ({"user": "system:serviceaccount:team:podhatch-spawn", "job": "approve-1"}, "Wait"),
        ({"user": "system:serviceaccount:team:bridge"}, "Wait"),
        ({"user": "system:node:worker-1"}, "Wait"),
        ({"user": "system:anonymous"}, "Wait"),
    ],
)
def test_a_wait_for_people_is_ended_by_nobody_else(
    pushed_by: JsonObject | None, decision: str
) -> None:
    pushed = event("go", seconds_ago=5)
    if pushed_by is not None:
        pushed["spec"]["pushedBy"] = pushed_by
    verdict = judge(pushed, waitFor=[{"event": {"key": "go", "fromPeople": True}}])
    assert verdict.decision == decision
    if decision == "Wait":
        assert verdict.message == "waits for event go from people"
    assert judge(pushed, waitFor=[GO]).decision == "Run"


def judged(field: str, output: Any = None) -> ConditionResult:
    """Judge a task with one condition, that holds of the usual output, in this field."""
    fields: dict[str, Any] = {field: [YES]}
    return judge(output=output, **fields)


TABLE: list[tuple[str, JsonObject, str]] = [
    ("no condition", {}, "Run"),
    ("a wait that holds", {"waitFor": [YES]}, "Run"),
    ("a wait that does not", {"waitFor": [NO]}, "Wait"),
    ("all of a list", {"waitFor": [YES, NO]}, "Wait"),
    ("one of a group", {"waitFor": [{"or": [NO, YES]}]}, "Run"),
    ("groups in a list", {"waitFor": [{"or": [NO, YES]}, {"or": [NO, FUTURE]}]}, "Wait"),
    ("a sleep that is over", {"waitFor": [PAST]}, "Run"),
    ("a sleep that is not", {"waitFor": [FUTURE]}, "Wait"),
    ("skip", {"skipIf": [YES]}, "Skip"),
    ("skip needs all", {"skipIf": [YES, NO]}, "Run"),
    ("skip by either", {"skipIf": [{"or": [NO, YES]}]}, "Skip"),
    ("cancel", {"cancelIf": [YES]}, "Cancel"),
    ("cancel needs all", {"cancelIf": [YES, NO]}, "Run"),
    ("cancel before skip", {"cancelIf": [YES], "skipIf": [YES]}, "Cancel"),
    ("skip before run", {"skipIf": [YES], "waitFor": [YES]}, "Skip"),
    ("skip does not hold", {"skipIf": [NO], "waitFor": [YES]}, "Run"),
    ("the earlier one wins", {"skipIf": [{"sleepSeconds": 5}], "waitFor": [PAST]}, "Run"),
    ("or the other", {"skipIf": [{"sleepSeconds": 3}], "waitFor": [PAST]}, "Skip"),
    ("a tie of timers", {"cancelIf": [PAST], "skipIf": [PAST], "waitFor": [PAST]}, "Cancel"),
    ("without a wait it runs before a timer", {"skipIf": [PAST]}, "Run"),
]


@pytest.mark.parametrize(
    ("fields", "decision"), [case[1:] for case in TABLE], ids=[case[0] for case in TABLE]
)
def test_conditions_decide_whether_a_task_runs(fields: JsonObject, decision: str) -> None:
    # The same condition may stand in several lists; each needs a name of its own.
    for field, conditions in fields.items():
        fields[field] = [
            {**each, "readableDataKey": f"{field}{place}"} if "or" not in each else each
            for place, each in enumerate(conditions)
        ]
    assert judge(**fields).decision == decision


EVENTS: list[tuple[str, JsonObject, JsonObject, bool]] = [
    ("after the parents", event("go", 5), {}, True),
    ("before them", event("go", 20), {}, False),
    ("another key", event("stop", 5), {}, False),
    ("since the run's start", event("go", 20), {"considerEventsSince": "RunStart"}, True),
    ("before the run", event("go", 200), {"considerEventsSince": "RunStart"}, False),
    ("since a time", event("go", 20), {"considerEventsSince": "2026-11-23T11:59:30Z"}, True),
    ("before that time", event("go", 40), {"considerEventsSince": "2026-11-23T11:59:30Z"}, False),
    ("any scope", event("go", 5, scope="x"), {}, True),
    ("the same scope", event("go", 5, scope="x"), {"scope": "x"}, True),
    ("another scope", event("go", 5, scope="y"), {"scope": "x"}, False),
    ("no scope", event("go", 5), {"scope": "x"}, False),
    ("by its payload", event("go", 5, payload={"n": 7}), {"expression": "input.n == 7"}, True),
    ("by its payload, no", event("go", 5, payload={"n": 8}), {"expression": "input.n == 7"}, False),
    ("seen before the parents ended", event("go", 5, seenAt="2026-11-23T11:00:00Z"), {}, False),
    ("seen after", event("go", 20, seenAt="2026-11-23T11:59:55Z"), {}, True),
]


@pytest.mark.parametrize(
    ("pushed", "fields", "counts"), [case[1:] for case in EVENTS], ids=[case[0] for case in EVENTS]
)
def test_an_event_counts_by_key_scope_and_time(
    pushed: JsonObject, fields: JsonObject, counts: bool
) -> None:
    verdict = judge(pushed, waitFor=[{"event": {"key": "go", **fields}}])
    assert verdict.decision == ("Run" if counts else "Wait")
    assert verdict.met == (["go"] if counts else [])


def test_an_event_is_remembered_although_it_has_expired() -> None:
    waits = [{"event": {"key": "one"}}, {"event": {"key": "two"}}]
    first = judge(event("one", 5), waitFor=waits)
    assert (first.decision, first.met) == ("Wait", ["one"])
    assert first.message == "waits for event two"
    second = judge(event("two", 1), met=("one",), waitFor=waits)
    assert (second.decision, second.met) == ("Run", ["one", "two"])


def test_an_event_of_this_very_second_is_looked_at_again() -> None:
    verdict = judge(event("go", 0), waitFor=[GO])
    assert verdict.look_again_at == NOW + timedelta(seconds=1)
    assert judge(event("go", 0), met=tuple(verdict.met), waitFor=[GO]).decision == "Run"


def test_an_event_without_a_time_counts() -> None:
    pushed = event("go")
    del pushed["metadata"]["creationTimestamp"]
    assert judge(pushed, waitFor=[GO]).decision == "Run"


def test_a_wait_says_for_what_and_is_looked_at_when_its_timer_ends() -> None:
    verdict = judge(waitFor=[YES, {"or": [GO, FUTURE]}, NO])
    assert verdict.message == "waits for (event go or 30s to pass) and output.n > input.limit of p"
    assert verdict.look_again_at == SINCE + timedelta(seconds=30)
    assert judge(waitFor=[GO]).look_again_at is None


@pytest.mark.parametrize("field", ["skipIf", "cancelIf"])
def test_a_decision_says_why(field: str) -> None:
    assert judged(field).message == f"{field} holds: output.n == 1 of p"


@pytest.mark.parametrize(
    ("expression", "output", "words"),
    [
        ("output.all(x, x >= 0)", [1] * 10_000, "9,999 elements in all"),
        ("output == 1", nested(6000), "output: nested more than 200 levels deep"),
    ],
    ids=["long", "deep"],
)
def test_a_condition_that_asks_too_much_fails_its_task(
    expression: str, output: Any, words: str
) -> None:
    condition = {"parent": {"name": "p", "expression": expression}}
    verdict = judge(output=output, skipIf=[condition])
    assert verdict.decision == "Fail"
    assert words in verdict.message


@pytest.mark.parametrize("field", ["skipIf", "cancelIf", "waitFor"])
def test_an_expression_that_fails_names_itself_and_the_missing_key(field: str) -> None:
    verdict = judged(field, output={"m": 1})
    assert verdict.decision == "Fail"
    assert "'output.n == 1'" in verdict.message
    assert verdict.message.endswith('Key not found in map : "n"')


def test_a_failing_expression_behind_an_open_one_fails_the_task_too() -> None:
    asks = {"event": {"key": "go", "expression": "input.missing == 1"}}
    assert judge(event("go", 5), waitFor=[NO, asks]).decision == "Fail"


def test_an_expression_that_fails_on_a_later_event_does_not_undo_an_earlier_match() -> None:
    asks: JsonObject = {"event": {"key": "go", "expression": "input.n == 7"}}
    good, bad = event("go", 5, payload={"n": 7}), event("go", 3)
    assert judge(bad, good, waitFor=[asks]).decision == "Run"
    assert judge(bad, event("go", 1, payload={"n": 7}), waitFor=[asks]).decision == "Fail"


def test_a_stored_output_that_is_not_json_counts_as_none() -> None:
    flow = workflow(
        task("a"),
        task(
            "b",
            parents=["a"],
            skipIf=[{"parent": {"name": "a", "expression": "output == null"}}],
        ),
    )
    old = {"tasks": [{"name": "a", "state": "Succeeded", "output": "{"}]}
    assert states(plan(flow, old))["b"] == "Skipped"
