"""Runs that start later: never before their time, and not after their deadline."""

from datetime import timedelta

import pytest
from podhatch.api.model import JsonObject, format_time
from podhatch.api.run import MAX_DELAY_SECONDS
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.run.plan import plan_run

from tests.fakes.objects import DEFAULTS, NOW, attempt_name, job, run, task, workflow
from tests.unit.core.planning import jobs, plan, states, stored

FLOW = workflow(task("a"))


def at(seconds: float) -> str:
    return format_time(NOW + timedelta(seconds=seconds))


def accepted(made: Plan) -> JsonObject:
    return stored(made)["conditions"][0]


def test_a_scheduled_run_waits_for_its_time_and_says_so() -> None:
    made = plan(FLOW, spec={"startAt": at(60)})
    assert made.create == ()
    assert made.requeue_at == NOW + timedelta(seconds=60)
    assert (stored(made)["phase"], accepted(made)["reason"]) == ("Pending", "Scheduled")
    assert stored(made)["message"] == "starts at 2026-11-23 12:01:00 UTC"
    assert [(event["type"], event["reason"]) for event in made.events] == [("Normal", "Scheduled")]
    again = plan(FLOW, made.status, later=59, spec={"startAt": at(60)})
    assert (again.create, again.status) == ((), None)


def test_a_long_wait_is_looked_at_now_and_then_since_clocks_are_set() -> None:
    made = plan(FLOW, spec={"startAt": at(86_400)})
    assert made.requeue_at == NOW + timedelta(hours=1)


@pytest.mark.parametrize("late", [0, 7.25, 86_400])
def test_it_starts_once_its_time_has_come_and_tells_its_delay(late: float) -> None:
    waiting = plan(FLOW, later=-9, spec={"startAt": at(0)}).status
    made = plan(FLOW, waiting, later=late, spec={"startAt": at(0)})
    assert jobs(made) == [attempt_name("a")]
    assert stored(made)["startDelaySeconds"] == late
    assert accepted(made)["status"] == "True"
    later = plan(
        FLOW,
        made.status,
        later=late + 60,
        spec={"startAt": at(0)},
        jobs={attempt_name("a"): job("a")},
    )
    assert stored(later)["startDelaySeconds"] == late


@pytest.mark.parametrize(
    ("start", "seen"), [(-1, -1), (-0.1, -0.1), (0, -1), (-1.1, -1), (900, -1), (-900, -1)]
)
def test_a_run_has_started_no_sooner_than_it_should_though_jobs_are_dated_to_the_second(
    start: float, seen: float
) -> None:
    made = {attempt_name("a"): job("a")}
    status = stored(plan(FLOW, later=1, spec={"startAt": at(start)}, jobs=made))
    assert status["startedAt"] == at(seen)


def test_a_delay_of_more_than_a_century_is_told_as_far_as_it_can_be() -> None:
    made = plan(FLOW, spec={"startAt": "1900-01-01T00:00:00Z"})
    assert stored(made)["startDelaySeconds"] == MAX_DELAY_SECONDS


def test_the_delay_of_a_run_that_is_not_scheduled_is_not_told() -> None:
    assert "startDelaySeconds" not in stored(plan(FLOW))


def test_another_time_counts_until_the_run_starts() -> None:
    waiting = plan(FLOW, spec={"startAt": at(60)}).status
    sooner = plan(FLOW, waiting, later=10, spec={"startAt": at(5)})
    assert jobs(sooner) == [attempt_name("a")]
    later = plan(FLOW, waiting, later=60, spec={"startAt": at(90)})
    assert later.create == ()
    assert stored(later)["message"] == "starts at 2026-11-23 12:01:30 UTC"
    for status in (sooner.status, None):
        made = {attempt_name("a"): job("a")}
        started = plan(FLOW, status, later=11, spec={"startAt": at(900)}, jobs=made)
        assert states(started) == {"a": "Queued"}


@pytest.mark.parametrize(
    ("deadline", "late", "starts"), [(30, 29, True), (30, 30, False), (0, 0.9, True), (0, 1, False)]
)
def test_a_run_that_is_too_late_is_cancelled(deadline: int, late: float, starts: bool) -> None:
    spec = {"startAt": at(0), "startingDeadlineSeconds": deadline}
    made = plan(FLOW, later=late, spec=spec)
    assert (stored(made)["phase"] != "Cancelled") is starts
    if not starts:
        assert made.create == ()
        assert (accepted(made)["status"], accepted(made)["reason"]) == (
            "False",
            "StartDeadlineExceeded",
        )
        assert "within 0 s" in stored(made)["message"] or "within 30 s" in stored(made)["message"]
        assert plan(FLOW, made.status, later=late + 9, spec=spec) == Plan()


def test_the_deadline_counts_also_while_the_workflow_is_missing() -> None:
    raw = run(startAt=at(0), startingDeadlineSeconds=30)
    missing = plan_run(Observed(raw), DEFAULTS, NOW + timedelta(seconds=5))
    assert accepted(missing)["reason"] == "WorkflowNotFound"
    assert missing.requeue_at == NOW + timedelta(seconds=30)
    raw["status"] = missing.status
    late = plan_run(Observed(raw), DEFAULTS, NOW + timedelta(seconds=30))
    assert stored(late)["phase"] == "Cancelled"


def test_why_a_scheduled_run_does_not_start_is_an_event_of_its_own() -> None:
    waiting = plan(FLOW, spec={"startAt": at(5)})
    raw = run(waiting.status, startAt=at(5))
    missing = plan_run(Observed(raw), DEFAULTS, NOW + timedelta(seconds=5))
    assert [event["reason"] for event in missing.events] == ["WorkflowNotFound"]


def test_a_scheduled_run_can_be_cancelled_and_a_replay_starts_it_at_once() -> None:
    spec = {"startAt": at(60), "startingDeadlineSeconds": 5}
    waiting = plan(FLOW, spec=spec).status
    cancelled = plan(FLOW, waiting, later=1, spec={**spec, "desiredState": "Cancelled"})
    assert stored(cancelled)["phase"] == "Cancelled"
    for later in (2, 600):
        again = plan(FLOW, cancelled.status, later=later, spec={**spec, "replay": {"count": 1}})
        assert jobs(again) == [attempt_name("a")]
        assert "startDelaySeconds" not in stored(again)
