"""An event is answered once: what becomes of filters afterwards starts nothing, doubles nothing.

What is refused or cannot be asked stays open, as does what is older than the event and seen late.
Whether a change is older, the resourceVersions tell, which grow with each change of any object.
"""

import pytest
from podhatch.api.model import JsonObject
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.event.answer import MAX_NOTED

from tests.fakes.objects import event
from tests.unit.core.test_event_trigger import event_filter, flow, plan, rule

Filters = tuple[JsonObject, ...]
NO, YES = event_filter("false", name="no"), event_filter("true", name="yes")
QUOTA, INVALID = ApiRefusal(403, "exceeded quota"), ApiRefusal(422, "invalid")


def pushed(first: Plan | None = None) -> JsonObject:
    """Return the event with the status that its first plan has left."""
    status = {"status": first.status} if first and first.status else {}
    return {**event("paid", scope="eu", payload={"n": 1}), **status}


def refused(first: Plan, refusal: ApiRefusal) -> dict[str, ApiRefusal]:
    return {each["metadata"]["name"]: refusal for each in first.create}


def declaring(*rules: JsonObject) -> JsonObject:
    return flow("paid", defaultFilters=list(rules))


CHANGES: list[tuple[str, JsonObject, Filters, JsonObject, Filters]] = [
    ("the only filter is deleted", flow("paid"), (NO,), flow("paid"), ()),
    ("one is patched", flow("paid"), (NO,), flow("paid"), (event_filter("true", name="no"),)),
    (
        "one gets another scope",
        flow("paid"),
        (event_filter("true", "us", name="us"),),
        flow("paid"),
        (event_filter("true", name="us"),),
    ),
    ("a default filter is patched", declaring(rule("true")), (), declaring(rule("1 == 1")), ()),
    ("a first default filter comes", flow("paid"), (), declaring(rule("true")), ()),
    ("the default filters go", declaring(rule("false")), (), flow("paid"), ()),
    ("a first filter comes within the same second", flow("paid"), (), flow("paid"), (YES,)),
]


@pytest.mark.parametrize(
    ("before", "filters", "after", "filters_after"),
    [case[1:] for case in CHANGES],
    ids=[case[0] for case in CHANGES],
)
def test_a_change_after_the_answer_starts_nothing(
    before: JsonObject, filters: Filters, after: JsonObject, filters_after: Filters
) -> None:
    first = plan(pushed(), before, filters=filters)
    second = plan(pushed(first), after, filters=filters_after, later=2)
    assert (second.create, second.confirm, second.status) == ((), (), None)


def test_a_filter_that_is_seen_late_still_answers() -> None:
    first = plan(pushed(), declaring(rule("false")), filters=(NO,))
    assert first.status == {"answered": [{"workflow": "flow", "filters": ["no"]}]}
    second = plan(pushed(first), declaring(rule("false")), filters=(NO, YES), later=2)
    assert len(second.create) == 1
    assert second.status is not None
    assert second.status["answered"] == [{"workflow": "flow", "filters": ["no", "yes"]}]


def versioned(raw: JsonObject, version: int) -> JsonObject:
    return {**raw, "metadata": {**raw["metadata"], "resourceVersion": str(version)}}


@pytest.mark.parametrize(("version", "runs"), [(9, 1), (11, 0)])
@pytest.mark.parametrize("is_object", [True, False])
def test_a_change_before_the_event_that_is_seen_late_still_answers(
    is_object: bool, version: int, runs: int
) -> None:
    def world(expression: str, version: int) -> tuple[JsonObject, Filters]:
        if is_object:
            return flow("paid"), (versioned(event_filter(expression), version),)
        return versioned(declaring(rule(expression)), version), ()

    refusing, filters = world("false", 8)
    came = versioned(pushed(), 10)
    first = plan(came, refusing, filters=filters)
    assert first.status is not None
    assert first.status["firstVersion"] == "10"
    noted = versioned({**came, "status": first.status}, 12)
    assert plan(noted, refusing, filters=filters, later=2) == Plan(requeue_at=first.requeue_at)
    changed, filters = world("true", version)
    second = plan(noted, changed, filters=filters, later=2)
    assert len(second.create) == runs
    assert (second.status or first.status)["firstVersion"] == "10"


FLOWS: list[tuple[str, JsonObject, Filters]] = [
    ("no filter", flow("paid"), ()),
    ("a default filter", declaring(rule("true"), rule("false")), ()),
    ("an object", flow("paid"), (NO, YES)),
]


@pytest.mark.parametrize("refusal", [QUOTA, INVALID])
@pytest.mark.parametrize(
    ("workflow", "filters"), [case[1:] for case in FLOWS], ids=[case[0] for case in FLOWS]
)
def test_a_run_that_was_refused_is_tried_again_and_no_other(
    workflow: JsonObject, filters: Filters, refusal: ApiRefusal
) -> None:
    due = plan(pushed(), workflow, filters=filters)
    refusals = refused(due, refusal)
    first = plan(pushed(), workflow, filters=filters, refusals=refusals)
    assert first.status is not None
    assert "triggeredRuns" not in first.status
    again = plan(pushed(first), workflow, filters=filters, refusals=refusals, later=2)
    assert (again.create, again.confirm, again.status) == (due.create, (), None)
    others = (*filters, event_filter("true", name="new", age=-1))
    made = plan(pushed(first), workflow, filters=others, later=4)
    assert made.create == due.create
    assert made.status is not None
    assert "message" not in made.status
    assert plan(pushed(made), workflow, filters=filters, later=4).create == ()


def test_a_refused_run_whose_filter_is_gone_is_not_made_in_another_way() -> None:
    workflow = declaring(rule("true"))
    refusals = refused(plan(pushed(), workflow), QUOTA)
    first = plan(pushed(), workflow, refusals=refusals)
    for changed in (flow("paid"), declaring(rule("1 == 1"))):
        over = plan(pushed(first), changed, later=9)
        assert over.create == ()
        assert over.status == {"handledAt": "2026-11-23T12:00:09.000000Z"}
    assert plan(pushed(first), workflow, later=9).create == plan(pushed(), workflow).create


@pytest.mark.parametrize("is_object", [True, False])
def test_a_filter_that_could_not_be_asked_is_asked_and_told_again(is_object: bool) -> None:
    def described(expression: str) -> tuple[JsonObject, Filters]:
        if is_object:
            return flow("paid"), (event_filter(expression, name="bad"),)
        return declaring(rule(expression)), ()

    workflow, filters = described("input.missing == 1")
    first = plan(pushed(), workflow, filters=filters)
    second = plan(pushed(first), workflow, filters=filters, later=2)
    assert (second.create, second.status) == ((), None)
    over = plan(pushed(first), workflow, filters=filters, later=5)
    assert over.status is not None
    assert "input.missing" in over.status["message"]


def test_what_there_is_no_room_to_note_is_asked_again() -> None:
    many = tuple(event_filter("false", name=f"f{each}") for each in range(MAX_NOTED))
    first = plan(pushed(), flow("paid", name="other"), flow("paid"), filters=many)
    assert first.status is not None
    assert first.status["answered"] == [{"workflow": "other"}]
    again = plan(pushed(first), flow("paid", name="other"), flow("paid"), filters=many, later=2)
    assert (again.create, again.status) == ((), None)
