"""What is deleted when: Jobs of attempts given up, old runs, unused revisions, expired events."""

from datetime import timedelta

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRunStatus
from podhatch_operator.core.clean_up import (
    CleanUp,
    after_the_end,
    expired,
    given_up_jobs,
    unused_revisions,
)
from podhatch_operator.core.decision import Child
from podhatch_operator.core.observed import Defaults
from podhatch_operator.core.revision import current_revision

from tests.fakes.objects import NOW, ago, attempt_name, event, job, task, workflow

NAME = attempt_name("a")


def entry(state: str, reason: str | None = None, **fields: object) -> JsonObject:
    return {"name": "a", "state": state, "attempt": 1, "job": NAME, "reason": reason, **fields}


def record(reason: str) -> JsonObject:
    return {"name": "a", "state": "Queued", "attempts": [{"attempt": 1, "reason": reason}]}


@pytest.mark.parametrize(
    ("noted", "gone"),
    [
        (entry("Cancelled", "RunCancelled"), True),
        (entry("Cancelled", "ScheduleTimedOut"), True),
        (entry("Cancelled", "CancelIf"), False),
        (entry("Running"), False),
        (entry("Failed", "TimedOut"), False),
        (record("Replayed"), True),
        (record("Evicted"), False),
        ({"name": "b", "state": "Running"}, False),
    ],
)
def test_jobs_of_attempts_that_we_ended_are_deleted(noted: JsonObject, gone: bool) -> None:
    status = WorkflowRunStatus.model_validate({"tasks": [noted]})
    assert given_up_jobs(status, {NAME: job("a")}) == ((Child("Job", NAME),) if gone else ())


def test_a_lost_attempt_that_its_queue_suspended_does_not_come_back() -> None:
    status = WorkflowRunStatus.model_validate({"tasks": [record("PodDeleted")]})
    left = job("a")
    left["spec"]["suspend"] = True
    assert given_up_jobs(status, {NAME: left}) == (Child("Job", NAME),)


@pytest.mark.parametrize("condition", ["Failed", "Complete"])
def test_jobs_that_ended_are_kept_for_their_logs(condition: str) -> None:
    status = WorkflowRunStatus.model_validate({"tasks": [entry("Cancelled", "RunCancelled")]})
    assert given_up_jobs(status, {NAME: job("a", None, 1, **{condition: "X"})}) == ()
    assert given_up_jobs(None, {NAME: job("a")}) == ()


RUN, JOBS = (Child("WorkflowRun", "r"),), (Child("Job", "j"),)


@pytest.mark.parametrize(
    ("run_ttl", "job_ttl", "own", "ended", "jobs", "expected"),
    [
        (None, None, None, 99, ["j"], CleanUp()),
        (60, None, None, 10, ["j"], CleanUp(look_again_at=NOW + timedelta(seconds=50))),
        (60, None, None, 60, ["j"], CleanUp(RUN)),
        (60, None, 5, 10, ["j"], CleanUp(RUN)),
        (5, None, 60, 10, ["j"], CleanUp(look_again_at=NOW + timedelta(seconds=50))),
        (None, None, 0, 0, ["j"], CleanUp(RUN)),
        (None, 20, None, 10, ["j"], CleanUp(look_again_at=NOW + timedelta(seconds=10))),
        (None, 20, None, 20, ["j"], CleanUp(JOBS)),
        (60, 20, None, 20, ["j"], CleanUp(JOBS, NOW + timedelta(seconds=40))),
        (60, 20, None, 10, ["j"], CleanUp(look_again_at=NOW + timedelta(seconds=10))),
        (60, 20, None, 30, [], CleanUp(look_again_at=NOW + timedelta(seconds=30))),
        (None, None, 5, None, ["j"], CleanUp()),
    ],
)
def test_what_a_finished_run_leaves(
    run_ttl: int | None,
    job_ttl: int | None,
    own: int | None,
    ended: float | None,
    jobs: list[str],
    expected: CleanUp,
) -> None:
    finished_at = {} if ended is None else {"finishedAt": ago(ended)}
    status = WorkflowRunStatus.model_validate({"phase": "Succeeded", **finished_at})
    spec = {} if own is None else {"ttlSecondsAfterFinished": own}
    revision = current_revision(workflow(task("a"), **spec))
    defaults = Defaults("runner", run_ttl_seconds=run_ttl, job_ttl_seconds=job_ttl)
    assert after_the_end("r", status, jobs, revision, defaults, NOW) == expected


def test_a_run_without_a_revision_has_the_default() -> None:
    status = WorkflowRunStatus.model_validate({"phase": "Failed", "finishedAt": ago(9)})
    defaults = Defaults("runner", run_ttl_seconds=9)
    assert after_the_end("r", status, [], None, defaults, NOW) == CleanUp(RUN)


def pinned(flow: JsonObject) -> dict[str, JsonObject]:
    name = current_revision(flow).name
    metadata = {"name": name, "labels": {"podhatch.dev/workflow": "flow"}}
    return {name: {"metadata": metadata, "data": {"spec": flow["spec"]}}}


def test_revisions_that_nobody_uses_go_with_their_sources() -> None:
    old = workflow(task("a"), source={"configMap": "src-old"})
    used = workflow(task("b"), source={"configMap": "src-used"})
    now = workflow(task("c"), source={"configMap": "src-now"})
    revisions = pinned(old) | pinned(used) | pinned(now)
    in_use = {current_revision(used).name}
    assert unused_revisions(now, revisions, in_use) == (
        Child("ControllerRevision", current_revision(old).name),
        Child("ConfigMap", "src-old"),
    )
    gone = unused_revisions(None, revisions, in_use)
    assert Child("ConfigMap", "src-now") in gone
    assert Child("ConfigMap", "src-used") not in gone


def test_a_source_that_another_revision_needs_is_kept() -> None:
    old = workflow(task("a"), source={"configMap": "src"})
    now = workflow(task("b"), source={"configMap": "src"})
    plain = workflow(task("c"))
    gone = unused_revisions(now, pinned(old) | pinned(plain), set())
    assert [child.kind for child in gone] == ["ControllerRevision", "ControllerRevision"]


def test_an_event_has_its_time() -> None:
    raw = event("go", 10, ttlSeconds=20)
    end = NOW + timedelta(seconds=10)
    assert expired(raw, NOW) == CleanUp(look_again_at=end)
    assert expired(raw, end) == CleanUp((Child("WorkflowEvent", "go-1"),))
    del raw["metadata"]["creationTimestamp"]
    assert expired(raw, NOW).delete == ()
