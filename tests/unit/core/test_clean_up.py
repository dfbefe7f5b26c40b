"""What is deleted when: Jobs of attempts given up, old runs, unused revisions, expired events."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import TaskStatus, WorkflowRun
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Delete, Plan, pod_deadline
from podhatch.core.event.plan import expired
from podhatch.core.pod.pods import read_time
from podhatch.core.run.attempts import Attempts
from podhatch.core.run.clean_up import (
    AWAITED_TICK,
    BESIDE_GRACE,
    JOB_GRACE,
    after_the_end,
    given_up_jobs,
    lingering_pods,
    with_late_attempts,
)
from podhatch.core.run.memo import PlanMemo
from podhatch.core.workflow.plan import unused_revisions
from podhatch.core.workflow.revision import Revision, current_revision

from tests.fakes.crons import NIGHTLY, tick
from tests.fakes.objects import (
    NOW,
    ago,
    attempt_name,
    event,
    job,
    pod,
    run,
    task,
    terminated,
    workflow,
)
from tests.unit.core.planning import plan

NAME = attempt_name("a")


def entry(state: str, reason: str | None = None, **fields: object) -> JsonObject:
    return {"name": "a", "state": state, "attempt": 1, "job": NAME, "reason": reason, **fields}


def record(reason: str) -> JsonObject:
    ended = {"attempt": 1, "reason": reason, "finishedAt": ago(5)}
    return {"name": "a", "state": "Queued", "attempt": 1, "attempts": [ended]}


def attempts(jobs: JsonObject, **children: Any) -> Attempts:
    return PlanMemo().attempts(
        WorkflowRun.model_validate(run()), Observed(run(), jobs=jobs, **children)
    )


def entries_of(run: WorkflowRun) -> dict[str, TaskStatus]:
    return {entry.name: entry for entry in run.status.tasks} if run.status else {}


def given_up(run: WorkflowRun, attempts: Attempts, now: datetime) -> Plan:
    return given_up_jobs(run, entries_of(run), attempts, now)


def run_with(*noted: JsonObject, phase: str = "Running", **fields: object) -> WorkflowRun:
    status = {"phase": phase, "tasks": list(noted), **fields}
    return WorkflowRun.model_validate(run(status))


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
    deleted = given_up(run_with(noted), attempts({NAME: job("a")}), NOW).delete
    assert deleted == ((Delete("Job", NAME),) if gone else ())


def test_a_lost_attempt_that_its_queue_suspended_does_not_come_back() -> None:
    left = job("a")
    left["spec"]["suspend"] = True
    made = given_up(run_with(record("PodDeleted")), attempts({NAME: left}), NOW)
    assert made.delete == (Delete("Job", NAME),)


@pytest.mark.parametrize("condition", ["Failed", "Complete"])
def test_jobs_that_ended_are_kept_for_their_logs(condition: str) -> None:
    ended = {NAME: job("a", conditions={condition: "X"})}
    noted = run_with(entry("Cancelled", "RunCancelled", finishedAt=ago(500)))
    assert given_up(noted, attempts(ended), NOW) == Plan()
    assert given_up(WorkflowRun.model_validate(run()), attempts({NAME: job("a")}), NOW) == Plan()


@pytest.mark.parametrize(
    ("condition", "status"),
    [("FailureTarget", "True"), ("SuccessCriteriaMet", "True"), ("Suspended", "False")],
)
def test_a_job_whose_pods_have_not_ended_is_deleted(condition: str, status: str) -> None:
    active = job("a", conditions={condition: "X"})
    active["status"]["conditions"][0]["status"] = status
    noted = run_with(entry("Cancelled", "RunCancelled", finishedAt=ago(1)))
    assert given_up(noted, attempts({NAME: active}), NOW).delete == (Delete("Job", NAME),)


@pytest.mark.parametrize(
    "noted", [entry("Failed", "TimedOut", finishedAt=ago(5)), record("PodLost")]
)
def test_a_job_that_does_not_end_after_its_attempt_is_deleted(noted: JsonObject) -> None:
    there, end = {NAME: job("a")}, NOW - timedelta(seconds=5) + JOB_GRACE
    assert given_up(run_with(noted), attempts(there), NOW) == Plan(requeue_at=end)
    assert given_up(run_with(noted), attempts(there), end) == Plan((Delete("Job", NAME),))


@pytest.mark.parametrize(
    ("phase", "replay", "gone"),
    [("Running", 0, False), ("Running", 1, True), ("Failed", 0, False), ("Failed", 1, True)],
)
def test_a_job_that_no_status_names_ends_with_its_replay(
    phase: str, replay: int, gone: bool
) -> None:
    name = attempt_name("a", 2)
    noted = run_with(entry("Failed"), {"name": "b", "state": "Running"}, phase=phase)
    made = given_up(noted, attempts({name: job("a", number=2, replay=replay)}), NOW)
    assert made.delete == ((Delete("Job", name),) if gone else ())


def test_a_job_that_no_status_names_is_noted_before_it_ends_with_its_run() -> None:
    name = attempt_name("a", 2)
    jobs = {name: job("a", number=2), attempt_name("b"): job("b")}
    over = run_with(entry("Failed"), phase="Failed")
    assert over.status is not None
    entries = with_late_attempts(over.status.tasks, attempts(jobs), NOW)
    assert [(each.name, each.state, each.attempt) for each in entries] == [
        ("a", "Failed", 2),
        ("b", "Cancelled", 1),
    ]
    noted = run_with(*(each.to_wire() for each in entries), phase="Failed")
    assert noted.status is not None
    assert with_late_attempts(noted.status.tasks, attempts(jobs), NOW) == entries
    gone = given_up(noted, attempts(jobs), NOW).delete
    assert gone == (Delete("Job", name), Delete("Job", attempt_name("b")))


def test_an_attempts_number_is_stored_before_its_job_is_deleted() -> None:
    name = attempt_name("a", 2)
    status = {"phase": "Failed", "finishedAt": ago(1), "tasks": [entry("Failed", "TaskFailed")]}
    made = plan(workflow(task("a")), status, jobs={name: job("a", number=2)})
    assert made.delete == ()
    assert made.status is not None
    assert made.status["tasks"][0]["attempt"] == 2
    made = plan(workflow(task("a")), made.status, jobs={name: job("a", number=2)})
    assert (made.delete, made.status) == ((Delete("Job", name),), None)


def beside(name: str, state: JsonObject) -> JsonObject:
    """Return the pod of a task that has ended, with another container in this state."""
    made = pod(terminated(0), startTime=ago(61))
    made["status"]["containerStatuses"].append({"name": name, "state": state})
    return made


def beside_ended(noted: WorkflowRun, *pods: JsonObject, seconds: float = 5) -> Plan:
    there = attempts({NAME: job("a")}, pods={NAME: pods})
    return lingering_pods(entries_of(noted), there, NOW + timedelta(seconds=seconds))


def test_a_container_beside_the_task_does_not_keep_the_pod() -> None:
    its_pod = beside("proxy", {"running": {}})
    over = run_with(entry("Succeeded", finishedAt=ago(0)), phase="Succeeded")
    assert beside_ended(over, its_pod, seconds=4) == Plan(requeue_at=NOW + BESIDE_GRACE)
    assert beside_ended(over, its_pod) == Plan((pod_deadline("pod", 66),))
    its_pod["spec"]["activeDeadlineSeconds"] = 66
    assert beside_ended(over, its_pod) == Plan()


def test_a_pod_that_ends_by_itself_or_is_not_ours_is_left_alone() -> None:
    kept = beside("proxy", {"running": {}})
    assert beside_ended(run_with(entry("Running")), kept) == Plan()
    assert beside_ended(WorkflowRun.model_validate(run()), kept) == Plan()
    over = run_with(entry("Succeeded", finishedAt=ago(0)))
    assert beside_ended(over, beside("proxy", {"terminated": {}})) == Plan()
    kept["metadata"]["ownerReferences"][0]["uid"] = "another-job"
    assert beside_ended(over, kept) == Plan()


RUN, JOBS = (Delete("WorkflowRun", "flow-1"),), (Delete("Job", "j"),)


def cleaned_up(
    observed: Observed, defaults: Defaults, now: datetime, revision: Revision | None = None
) -> Plan:
    return after_the_end(
        WorkflowRun.model_validate(observed.run), observed, revision, defaults, now
    )


@pytest.mark.parametrize(
    ("run_ttl", "job_ttl", "own", "ended", "jobs", "expected"),
    [
        (None, None, None, 99, ["j"], Plan()),
        (60, None, None, 10, ["j"], Plan(requeue_at=NOW + timedelta(seconds=50))),
        (60, None, None, 60, ["j"], Plan(RUN)),
        (60, None, 5, 10, ["j"], Plan(RUN)),
        (5, None, 60, 10, ["j"], Plan(requeue_at=NOW + timedelta(seconds=50))),
        (None, None, 0, 0, ["j"], Plan(RUN)),
        (None, 20, None, 10, ["j"], Plan(requeue_at=NOW + timedelta(seconds=10))),
        (None, 20, None, 20, ["j"], Plan(JOBS)),
        (60, 20, None, 20, ["j"], Plan(JOBS, requeue_at=NOW + timedelta(seconds=40))),
        (60, 20, None, 10, ["j"], Plan(requeue_at=NOW + timedelta(seconds=10))),
        (60, 20, None, 30, [], Plan(requeue_at=NOW + timedelta(seconds=30))),
        (None, None, 5, None, ["j"], Plan()),
    ],
)
def test_a_finished_run_is_cleaned_up_after_its_time(
    run_ttl: int | None,
    job_ttl: int | None,
    own: int | None,
    ended: float | None,
    jobs: list[str],
    expected: Plan,
) -> None:
    finished_at = {} if ended is None else {"finishedAt": ago(ended)}
    spec = {} if own is None else {"ttlSecondsAfterFinished": own}
    revision = current_revision(workflow(task("a"), **spec))
    defaults = Defaults("runner", run_ttl_seconds=run_ttl, job_ttl_seconds=job_ttl)
    observed = Observed(
        run({"phase": "Succeeded", **finished_at}), jobs={name: {} for name in jobs}
    )
    assert cleaned_up(observed, defaults, NOW, revision) == expected


def test_a_run_without_a_revision_has_the_default() -> None:
    observed = Observed(run({"phase": "Failed", "finishedAt": ago(9)}))
    assert cleaned_up(observed, Defaults("runner", run_ttl_seconds=9), NOW) == Plan(RUN)


def test_a_run_is_kept_for_a_time_while_the_job_of_its_tick_does_not_say_how_it_ended() -> None:
    cause = {"cron": NIGHTLY, "job": "flow-1", "jobUid": "uid-of-flow-1", "scheduledAt": ago(9)}
    ended = run({"phase": "Failed", "finishedAt": ago(9)}, trigger={"cron": cause})
    observed = Observed(ended, tick_job=tick("flow-1"))
    defaults = Defaults("runner", run_ttl_seconds=0)
    until = NOW - timedelta(seconds=9) + AWAITED_TICK
    assert cleaned_up(observed, defaults, NOW) == Plan(requeue_at=until)
    assert cleaned_up(observed, defaults, until) == Plan(RUN)
    assert cleaned_up(observed, Defaults("runner"), NOW) == Plan()


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
        Delete("ControllerRevision", current_revision(old).name),
        Delete("ConfigMap", "src-old"),
    )
    gone = unused_revisions(None, revisions, in_use)
    assert Delete("ConfigMap", "src-now") in gone
    assert Delete("ConfigMap", "src-used") not in gone


def test_a_source_that_another_revision_needs_is_kept() -> None:
    old = workflow(task("a"), source={"configMap": "src"})
    now = workflow(task("b"), source={"configMap": "src"})
    plain = workflow(task("c"))
    gone = unused_revisions(now, pinned(old) | pinned(plain), set())
    assert [child.kind for child in gone] == ["ControllerRevision", "ControllerRevision"]


def test_an_event_has_its_time() -> None:
    raw = event("go", 10, ttlSeconds=20)
    end = NOW + timedelta(seconds=10)
    assert expired(raw, NOW) == Plan(requeue_at=end)
    assert expired(raw, end) == Plan((Delete("WorkflowEvent", "go-1"),))
    del raw["metadata"]["creationTimestamp"]
    assert expired(raw, NOW).delete == ()


def test_a_finished_run_is_kept_while_it_holds_its_key() -> None:
    status = {"phase": "Succeeded", "finishedAt": ago(9)}
    flow = workflow(task("a"), ttlSecondsAfterFinished=5)
    ttl, until_end = ({"key": "k", name: 60} for name in ("ttlSeconds", "fallbackTtlSeconds"))

    def after(seconds: float, key: JsonObject) -> Plan:
        held = {**status, "revision": current_revision(flow).name}
        return plan(flow, held, later=seconds, spec={"idempotency": key})

    assert [each.kind for each in after(0, until_end).delete] == ["WorkflowRun"]
    created = read_time(run()["metadata"]["creationTimestamp"])
    assert created is not None
    free_at = created + timedelta(seconds=61)
    assert after(0, ttl) == Plan(requeue_at=free_at)
    assert after((free_at - NOW).total_seconds(), ttl).delete
