"""Events start runs: which workflows and filters they reach, and what is said of it."""

import time
from dataclasses import replace
from datetime import timedelta

import pytest
from podhatch.api.event import DEFAULT_EVENT_TTL_SECONDS
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import ObservedEvent
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.event.key import matches
from podhatch.core.event.plan import GRACE, plan_event
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.workflow.validate import workflow_problems

from tests.fakes.answers import answered
from tests.fakes.objects import NOW, ago, event, task, workflow
from tests.unit.core.planning import spec_of
from tests.unit.core.test_cel import nested

METADATA = {"hatchet__event_id": "paid-1", "hatchet__event_key": "paid"}


def flow(*on_events: str, name: str = "flow", age: float = 60, **spec: object) -> JsonObject:
    raw = workflow(task("a"), onEvents=list(on_events), **spec)
    return {**raw, "metadata": {**raw["metadata"], "name": name, "creationTimestamp": ago(age)}}


def event_filter(
    expression: str, scope: str = "eu", *, name: str = "f", age: float = 60, **spec: object
) -> JsonObject:
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "EventFilter",
        "metadata": {"name": name, "uid": f"uid-of-{name}", "creationTimestamp": ago(age)},
        "spec": {"workflow": "flow", "expression": expression, "scope": scope, **spec},
    }


def plan(
    pushed: JsonObject,
    *workflows: JsonObject,
    filters: tuple[JsonObject, ...] = (),
    later: float = 0,
    refusals: dict[str, ApiRefusal] | None = None,
) -> Plan:
    pushed["metadata"]["uid"] = "event-uid"
    observed = ObservedEvent(pushed, workflows, {"flow": filters}, refusals=refusals or {})
    now = NOW + timedelta(seconds=later)
    return answered(lambda known: plan_event(replace(observed, answers=known), now))


def rule(expression: str, scope: str = "eu", **fields: object) -> JsonObject:
    return {"expression": expression, "scope": scope, **fields}


@pytest.mark.parametrize(
    ("pattern", "key", "answer"),
    [
        ("paid", "paid", True),
        ("paid", "paid:late", False),
        ("paid:*", "paid:late", True),
        ("paid:*", "paid:", True),
        ("*:paid", "order:paid", True),
        ("order:*:paid", "order:7:paid", True),
        ("order:*:paid", "order:paid", False),
        ("*", "anything", True),
        ("a*a", "a", False),
        ("a*b*c", "a-b-b-c", True),
        ("a*b*c", "a-c-b", False),
        ("a*b*c", "a-x-c", False),
        ("a**c", "abc", True),
        ("?aid", "paid", False),
        ("[p]aid", "paid", False),
        ("*a" * 60 + "b", "a" * 250, False),
    ],
)
def test_a_star_stands_for_any_text_and_nothing_else_does(
    pattern: str, key: str, answer: bool
) -> None:
    assert matches(pattern, key) is answer


def test_an_event_starts_a_run_of_each_workflow_that_asks_for_it() -> None:
    made = plan(
        event("paid", payload={"n": 1}, priority=3, additionalMetadata={"team": "b"}),
        flow("paid", defaultAdditionalMetadata={"team": "a", "tier": "1"}),
        flow("pa*", name="second"),
        flow("refused", name="third"),
    )
    first, second = made.create
    assert first["spec"] == {
        "workflow": "flow",
        "input": {"n": 1},
        "additionalMetadata": {"team": "b", "tier": "1", **METADATA},
        "trigger": {"event": {"id": "paid-1", "key": "paid"}},
        "priority": 3,
    }
    assert second["spec"]["workflow"] == "second"
    assert made.confirm == ("flow", "second")
    assert made.status == {
        "triggeredRuns": [
            {"run": each["metadata"]["name"], "workflow": each["spec"]["workflow"]}
            for each in made.create
        ],
        "answered": [{"workflow": "flow"}, {"workflow": "second"}],
    }
    assert first["metadata"]["name"].startswith("flow-")


@pytest.mark.parametrize(
    ("of_event", "of_workflow", "left"),
    [(0, 64, 62), (30, 64, 32), (62, 64, 0), (62, 0, 0), (61, 1, 1)],
)
def test_the_metadata_of_a_workflow_gives_way_where_there_is_no_room(
    of_event: int, of_workflow: int, left: int
) -> None:
    pushed = event("paid", additionalMetadata={f"e{each}": "" for each in range(of_event)})
    defaults = {f"w{each}": "" for each in range(of_workflow)}
    (made,) = plan(pushed, flow("paid", defaultAdditionalMetadata=defaults)).create
    metadata = made["spec"]["additionalMetadata"]
    assert metadata.items() >= {**pushed["spec"]["additionalMetadata"], **METADATA}.items()
    assert [each for each in metadata if each in defaults] == sorted(defaults)[:left]


def test_an_event_with_too_much_metadata_starts_nothing_and_says_so() -> None:
    pushed = event("paid", additionalMetadata={f"e{each}": "" for each in range(63)})
    made = plan(pushed, flow("paid"))
    assert made.create == ()
    assert made.status is not None
    assert made.status["message"] == (
        "spec.additionalMetadata: with hatchet__event_id and hatchet__event_key, a run of Workflow "
        "flow has at most 64 entries: push the event with 1 less"
    )


def test_names_are_the_same_each_time_and_differ_by_event_and_workflow() -> None:
    def name(uid: str, workflow_name: str) -> str:
        pushed = event("paid")
        pushed["metadata"]["uid"] = uid
        observed = ObservedEvent(pushed, (flow("*", name=workflow_name),))
        (made,) = plan_event(observed, NOW).create
        return made["metadata"]["name"]

    assert name("one", "flow") == name("one", "flow")
    assert len({name("one", "flow"), name("two", "flow"), name("one", "flow2")}) == 3


@pytest.mark.parametrize(
    ("scope", "runs"),
    [(None, []), ("us", []), ("eu", [{"by": "default"}, {"by": "object"}])],
)
def test_a_run_for_each_filter_of_the_events_scope(
    scope: str | None, runs: list[JsonObject]
) -> None:
    filters = (
        event_filter("input.n == 1", name="a", payload={"by": "object"}),
        event_filter("input.n == 2", name="b"),
        event_filter("true", scope="asia", name="c"),
    )
    default = [rule("payload.by == 'default'", payload={"by": "default"})]
    pushed = event("paid", payload={"n": 1})
    pushed["spec"] |= {"scope": scope} if scope else {}
    made = plan(pushed, flow("paid", defaultFilters=default), filters=filters)
    assert [each["spec"]["trigger"]["event"]["filterPayload"] for each in made.create] == runs
    assert made.confirm == ()


def test_equal_filters_are_two_filters() -> None:
    made = plan(event("paid", scope="eu"), flow("paid", defaultFilters=[rule("true")] * 2))
    assert len({each["metadata"]["name"] for each in made.create}) == 2


def test_a_filter_asks_for_all_there_is_to_know() -> None:
    expression = (
        "input.n > payload.least && additional_metadata.team == 'a' && event_id == 'paid-1' "
        "&& event_key == 'paid'"
    )
    filters = (event_filter(expression, payload={"least": 1}),)
    pushed = event("paid", scope="eu", payload={"n": 2}, additionalMetadata={"team": "a"})
    assert len(plan(pushed, flow("paid"), filters=filters).create) == 1


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("input.missing == 1", '"missing"'),
        ("output.x", "undeclared reference to 'output.x'"),
        ("input.n", "is neither true nor false"),
    ],
)
def test_a_filter_that_cannot_be_asked_starts_nothing_and_is_told(
    expression: str, words: str
) -> None:
    filters = (event_filter(expression, name="bad"), event_filter("true", name="good"))
    made = plan(event("paid", scope="eu", payload={"n": 1}), flow("paid"), filters=filters)
    assert len(made.create) == 1
    assert made.status is not None
    assert made.status["message"].startswith("EventFilter bad spec.expression: ")
    assert words in made.status["message"]


@pytest.mark.parametrize(
    ("payload", "expression", "words"),
    [
        ({"n": list(range(10_001))}, "input.n.exists(i, i > 20000)", "9,999 elements in all"),
        (nested(6000), "true", "input: nested more than 200 levels deep"),
        ({"n": "x" * 300_000}, "true", "input: 300008 bytes as JSON"),
    ],
    ids=["long", "deep", "large"],
)
def test_a_filter_that_asks_too_much_is_told_and_keeps_no_other_run(
    payload: JsonObject, expression: str, words: str
) -> None:
    filters = (event_filter(expression, name="bad"),)
    pushed = event("paid", scope="eu", payload=payload)
    made = plan(pushed, flow("paid"), flow("paid", name="other"), filters=filters)
    assert [each["spec"]["workflow"] for each in made.create] == ["other"]
    assert made.status is not None
    assert words in made.status["message"]


def test_the_payload_of_a_filter_is_checked_too() -> None:
    filters = (
        event_filter("true", name="bad", payload=nested(6000)),
        event_filter("payload.n == 1", name="good", payload={"n": 1}),
    )
    default = [rule("true", payload=nested(900))]
    made = plan(event("paid", scope="eu"), flow("paid", defaultFilters=default), filters=filters)
    assert len(made.create) == 1
    assert made.status is not None
    assert "payload: nested more than 200 levels deep" in made.status["message"]


def test_many_filters_make_an_events_values_ready_once() -> None:
    filters = tuple(event_filter("input.n.size() == 1", name=f"f{each}") for each in range(200))
    pushed = event("paid", scope="eu", payload={"n": [0] * 120_000})
    begun = time.process_time()
    assert plan(pushed, flow("paid"), filters=filters).create == ()
    assert time.process_time() - begun < 1


def test_what_came_after_the_event_does_not_count() -> None:
    pushed = event("paid", 10, scope="eu")
    assert plan(pushed, flow("paid", age=9)).create == ()
    assert plan(pushed, flow("paid", age=10)).confirm == ("flow",)
    late = (event_filter("false", age=9),)
    assert plan(pushed, flow("paid", age=10), filters=late).confirm == ("flow",)
    deleted = flow("paid")
    deleted["metadata"]["deletionTimestamp"] = ago(0)
    assert plan(pushed, deleted).create == ()


def test_an_event_is_handled_when_its_grace_is_over_and_then_waits_to_be_deleted() -> None:
    first = plan(event("paid"), flow("paid"))
    assert first.requeue_at == NOW + GRACE
    noted = {**event("paid"), "status": first.status}
    assert plan(noted, flow("paid")) == Plan(requeue_at=NOW + GRACE)
    late = plan(noted, flow("paid"), flow("paid", name="late"), later=4)
    assert [each["spec"]["workflow"] for each in late.create] == ["late"]
    assert late.status is not None
    assert len(late.status["triggeredRuns"]) == 2
    over = plan({**noted, "status": late.status}, flow("paid"), later=5)
    assert over.status == {
        "triggeredRuns": late.status["triggeredRuns"],
        "handledAt": "2026-11-23T12:00:05.000000Z",
    }
    handled = {**noted, "status": over.status}
    waits = Plan(requeue_at=NOW + timedelta(seconds=DEFAULT_EVENT_TTL_SECONDS))
    assert plan(handled, flow("paid"), flow("paid", name="later"), later=6) == waits


def test_an_event_that_nobody_waits_for_is_handled_too() -> None:
    assert plan(event("paid"), flow("other")) == Plan(requeue_at=NOW + GRACE)
    over = plan(event("paid"), later=5)
    assert over.status == {"handledAt": "2026-11-23T12:00:05.000000Z"}


@pytest.mark.parametrize(("code", "handled"), [(422, True), (403, False)])
def test_a_refused_run_is_told_and_waited_for_where_that_may_help(code: int, handled: bool) -> None:
    (run,) = plan(event("paid"), flow("paid")).create
    refusals = {run["metadata"]["name"]: ApiRefusal(code, "too much")}
    made = plan(event("paid"), flow("paid"), refusals=refusals, later=9)
    assert made.status is not None
    assert "triggeredRuns" not in made.status
    assert made.status["message"] == f"the run {run['metadata']['name']} was refused: too much"
    assert ("handledAt" in made.status) is handled


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"onEvents": ["paid "]}, "spec.onEvents: 'paid ' begins or ends with a blank"),
        (
            {"defaultFilters": [rule("true"), rule("output.n")]},
            "spec.defaultFilters[1].expression: 'output.n' is not CEL",
        ),
        (
            {"defaultFilters": [rule("true", payload=nested(250))]},
            "spec.defaultFilters[0].payload: nested more than 200 levels deep",
        ),
    ],
)
def test_bad_triggers_make_the_workflow_invalid(fields: JsonObject, words: str) -> None:
    (problem,) = workflow_problems(spec_of(task("a"), **fields), Questions(IN_PROCESS))
    assert words in problem
