"""One tick: which run it makes, and what its Job says of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from podhatch.api import labels
from podhatch.api.cron import CronWorkflow
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import Observed, ObservedCron
from podhatch.core.common.plan import ReplaceStatus
from podhatch.core.cron.plan import plan_cron
from podhatch.core.cron.tick import CRON_GRACE, TickStep, plan_tick
from podhatch.core.cron.tick_run import Cause
from podhatch.core.pod.pods import true_condition
from podhatch.core.run.plan import plan_run

from tests.fakes.crons import TOO_DEEP, cron, tick
from tests.fakes.objects import DEFAULTS, NOW, ago, task, workflow

DUE = "2026-11-23T04:17:00+01:00"
CAUSE = Cause(
    CronWorkflow.model_validate(
        cron(input={"n": 7}, additionalMetadata={"x": "2"}, priority=3, timeZone="Europe/Paris")
    ),
    workflow(task("a"), defaultAdditionalMetadata={"team": "a", "x": "1"}),
)


def made() -> JsonObject:
    """Return the run of a tick, as it is right after it was made."""
    manifest = plan_tick(tick("n-1", DUE), None, CAUSE, NOW).create
    assert manifest is not None
    metadata = {**manifest["metadata"], "creationTimestamp": ago(60), "resourceVersion": "1"}
    return {**manifest, "metadata": metadata}


def ended(phase: str, **status: object) -> JsonObject:
    return {**made(), "status": {"phase": phase, "finishedAt": ago(10), **status}}


def status_of(step: TickStep) -> JsonObject:
    assert step.status is not None
    return step.status


def test_a_tick_makes_the_run_of_its_name() -> None:
    run = made()
    assert (run["metadata"]["name"], run["metadata"]["namespace"]) == ("n-1", "team")
    assert "ownerReferences" not in run["metadata"]
    assert run["spec"] == {
        "workflow": "flow",
        "input": {"n": 7},
        "additionalMetadata": {"team": "a", "x": "2"},
        "priority": 3,
        "trigger": {
            "cron": {
                "cron": "nightly",
                "job": "n-1",
                "jobUid": "uid-of-n-1",
                "scheduledAt": "2026-11-23T03:17:00.000000Z",
            }
        },
    }


def test_a_job_made_by_hand_is_a_tick_of_that_moment() -> None:
    run = plan_tick(tick("hand"), None, CAUSE, NOW).create
    assert run is not None
    assert run["spec"]["trigger"]["cron"]["scheduledAt"] == "2026-11-23T11:59:58.000000Z"


@pytest.mark.parametrize("unreadable", ["foo", "2026-11-23T04:17:00", "0001-01-01T00:00:00+05:00"])
def test_a_job_whose_annotation_is_no_time_is_one_made_by_hand(unreadable: str) -> None:
    run = plan_tick(tick("n-1", unreadable), None, CAUSE, NOW).create
    assert run is not None
    assert run["spec"]["trigger"]["cron"]["scheduledAt"] == "2026-11-23T11:59:58.000000Z"


def test_the_job_says_that_the_run_is_under_way_once() -> None:
    status = status_of(plan_tick(tick("n-1", DUE), made(), CAUSE, NOW))
    assert status == {"startTime": ago(60), "active": 1}
    assert plan_tick(tick("n-1", DUE, **status), made(), CAUSE, NOW) == TickStep()


@pytest.mark.parametrize("started", [{}, {"startTime": ago(60), "active": 1}])
def test_the_job_is_complete_when_the_run_has_succeeded(started: JsonObject) -> None:
    job = tick("n-1", DUE, **started)
    job["status"] = status_of(plan_tick(job, ended("Succeeded"), CAUSE, NOW))
    assert job["status"]["succeeded"] == 1
    assert "active" not in job["status"]
    assert (job["status"]["startTime"], job["status"]["completionTime"]) == (ago(60), ago(10))
    assert true_condition(job, "SuccessCriteriaMet")
    assert true_condition(job, "Complete")
    assert plan_tick(job, ended("Succeeded"), CAUSE, NOW) == TickStep()


@pytest.mark.parametrize("phase", ["Failed", "Cancelled"])
def test_the_job_has_failed_with_the_words_of_the_run(phase: str) -> None:
    job = tick("n-1", DUE, startTime=ago(60), active=1)
    job["status"] = status_of(plan_tick(job, ended(phase, message="task a failed"), CAUSE, NOW))
    condition = true_condition(job, "Failed")
    assert condition is not None
    assert condition["reason"] == f"Run{phase}"
    assert condition["message"] == f"WorkflowRun n-1 is {phase}: task a failed"
    assert true_condition(job, "FailureTarget")
    assert "completionTime" not in job["status"]


def is_deleted(run: JsonObject, job: JsonObject | None) -> bool:
    """Return whether a run that is to be deleted at its end is, while there is this Job."""
    observed = Observed({**run, "metadata": {**run["metadata"], "uid": "u"}}, tick_job=job)
    return bool(plan_run(observed, replace(DEFAULTS, run_ttl_seconds=0), NOW).delete)


@pytest.mark.parametrize("phase", ["Succeeded", "Failed", "Cancelled"])
def test_a_run_is_deleted_only_after_its_job_says_how_it_ended(phase: str) -> None:
    run = ended(phase)
    assert not is_deleted(run, tick("n-1", DUE))
    job = tick("n-1", DUE, startTime=ago(60), active=1)
    assert not is_deleted(run, job)
    job["status"] = status_of(plan_tick(job, run, CAUSE, NOW))
    assert is_deleted(run, job)


def test_a_run_waits_for_no_job_that_will_never_say_how_it_ended() -> None:
    run, job = ended("Succeeded"), tick("n-1", DUE)
    assert is_deleted(run, None)
    assert is_deleted(run, going("n-1"))
    parts: list[JsonObject] = [
        {"metadata": {**job["metadata"], "uid": "uid-of-a-later-job"}},
        {"metadata": {**job["metadata"], "labels": {labels.CRON: "weekly"}}},
        {"metadata": {**job["metadata"], "labels": {}}},
        {"spec": {}},
    ]
    for part in parts:
        assert is_deleted(run, {**job, **part}), part
    copied = {**run, "metadata": {**run["metadata"], "name": "copy"}}
    assert is_deleted(copied, job)
    by_hand = {**run, "spec": {"workflow": "flow"}}
    assert is_deleted(by_hand, job)


def test_a_run_with_a_key_waits_for_the_job_that_started_it() -> None:
    run = ended("Succeeded")
    run["metadata"]["name"] = "keyed"
    run["spec"]["idempotency"] = {"key": "k", "ttlSeconds": 1}
    job = tick("n-1", DUE)
    assert not is_deleted(run, job)
    job["status"] = status_of(plan_tick(job, run, CAUSE, NOW))
    assert is_deleted(run, job)


def test_a_clock_that_goes_backwards_ends_no_job_before_its_start() -> None:
    run = ended("Succeeded", finishedAt=ago(70))
    assert status_of(plan_tick(tick("n-1", DUE), run, CAUSE, NOW))["completionTime"] == ago(60)


def test_a_tick_whose_run_was_deleted_makes_no_second_one() -> None:
    step = plan_tick(tick("n-1", DUE, startTime=ago(60), active=1), None, CAUSE, NOW)
    assert step.create is None
    assert status_of(step)["conditions"][0]["reason"] == "RunDeleted"


def forged() -> JsonObject:
    """Return a run that somebody made in the name of a tick, before it came."""
    run = made()
    del run["spec"]["trigger"]["cron"]["jobUid"]
    return run


def test_a_run_of_the_name_that_is_not_the_ticks_is_not_taken_for_it() -> None:
    of_another_job = tick("n-1", DUE)
    of_another_job["metadata"]["uid"] = "uid-of-an-earlier-job"
    plain = {**made(), "spec": {"workflow": "flow"}}
    for job, run in (
        (of_another_job, made()),
        (tick("n-1", DUE), plain),
        (tick("n-1", DUE), forged()),
    ):
        status = status_of(plan_tick(job, run, CAUSE, NOW))
        assert status["conditions"][0]["reason"] == "TickNameTaken"


def test_a_cron_says_that_its_last_tick_found_its_name_taken() -> None:
    taken = tick("n-1", ago(60))
    for _ in ("the Job is told", "the Job was told"):
        shown = plan_cron(ObservedCron(cron(), ticks={"n-1": taken}, runs={"n-1": forged()}), NOW)
        assert shown.status is not None
        [valid] = shown.status["conditions"]
        assert (valid["status"], valid["reason"]) == ("False", "TickNameTaken")
        assert "WorkflowRun n-1 exists and is not of this tick" in valid["message"]
        assert shown.status["nextRunTimes"]
        for told in (each for each in shown.writes if isinstance(each, ReplaceStatus)):
            taken["status"] = told.object["status"]
    assert not any(isinstance(each, ReplaceStatus) for each in shown.writes)
    both = {"n-1": taken, "n-2": tick("n-2", ago(0))}
    later = plan_cron(ObservedCron(cron(), ticks=both, runs={"n-1": forged()}), NOW)
    assert later.confirm == ("n-2",)
    assert later.status is not None
    assert later.status["conditions"][0]["reason"] != "TickNameTaken"


def test_a_tick_without_its_cron_is_awaited_and_then_fails() -> None:
    step = plan_tick(tick("n-1", DUE), None, None, NOW)
    assert (step.create, step.status) == (None, None)
    assert step.look_again_at is not None
    later = plan_tick(tick("n-1", DUE), None, None, NOW + CRON_GRACE)
    assert status_of(later)["conditions"][0]["reason"] == "CronNotFound"
    followed = plan_tick(tick("n-1", DUE), ended("Succeeded"), None, NOW)
    assert status_of(followed)["succeeded"] == 1


def test_a_tick_that_waited_past_its_deadline_is_left_out() -> None:
    impatient = Cause(CronWorkflow.model_validate(cron(startingDeadlineSeconds=60)), None)
    job, later = tick("n-1", DUE), NOW + timedelta(seconds=61)
    assert plan_tick(job, None, impatient, NOW).create
    status = status_of(plan_tick(job, None, impatient, later))
    assert status["conditions"][0]["reason"] == "StartDeadlineExceeded"
    assert plan_tick(job, made(), impatient, later).status == {"startTime": ago(60), "active": 1}
    assert plan_tick(tick("hand"), None, impatient, later).create
    waiting = Cause(
        CronWorkflow.model_validate(cron(startingDeadlineSeconds=60, input=TOO_DEEP)), None
    )
    step = plan_tick(job, None, waiting, NOW)
    assert step == TickStep(look_again_at=NOW + timedelta(seconds=58))
    assert plan_tick(job, None, waiting, NOW + timedelta(seconds=58)).status
    at_once = Cause(CronWorkflow.model_validate(cron(startingDeadlineSeconds=0)), None)
    assert plan_tick(job, None, at_once, NOW).create


def cancelled(run: JsonObject, **ticks: JsonObject) -> tuple[str, ...]:
    observed = ObservedCron(cron(), ticks=ticks, runs={"n-1": run})
    asked = plan_cron(observed, NOW)
    plan = plan_cron(replace(observed, confirmed=("n-1",)), NOW)
    cancelled = tuple(each.name for each in plan.patch if each.kind == "WorkflowRun")
    assert asked.confirm == cancelled
    return cancelled


def going(name: str) -> JsonObject:
    """Return the Job of a tick that is being deleted."""
    job = tick(name, DUE)
    job["metadata"]["deletionTimestamp"] = ago(0)
    return job


def test_a_run_whose_job_was_deleted_is_cancelled() -> None:
    assert cancelled(made()) == ("n-1",)
    assert cancelled(made(), **{"n-1": going("n-1")}) == ("n-1",)
    assert cancelled(made(), **{"n-1": tick("n-1", DUE)}) == ()
    assert cancelled(ended("Succeeded")) == ()


def test_a_run_that_goes_on_for_another_reason_is_left_alone() -> None:
    replayed = made()
    replayed["spec"]["replay"] = {"count": 1}
    assert cancelled(replayed) == ()
    by_hand = made()
    del by_hand["spec"]["trigger"]
    assert cancelled(by_hand, **{"n-1": going("n-1")}) == ()
    already = made()
    already["spec"]["desiredState"] = "Cancelled"
    assert cancelled(already) == ()
    copied = made()
    copied["metadata"]["name"] = "copy"
    assert plan_cron(ObservedCron(cron(), runs={"copy": copied}), NOW).confirm == ()
    of_an_earlier_cron = ObservedCron(cron(created=ago(1)), runs={"n-1": made()})
    assert plan_cron(of_an_earlier_cron, NOW).confirm == ()
    gone = plan_cron(ObservedCron(None, runs={"n-1": made()}), NOW + timedelta(days=1))
    assert gone.confirm == ()
