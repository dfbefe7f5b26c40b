"""How an attempt is followed: from its Job to its end, whatever is seen of it in between."""

from datetime import timedelta
from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch.core.common.plan import Delete, pod_deadline

from tests.fakes.objects import (
    NOW,
    ago,
    attempt_name,
    container_task,
    job,
    pod,
    task,
    terminated,
    workflow,
)
from tests.unit.core.planning import entries, jobs, plan, reported

A = attempt_name("a")
FLOW = workflow(task("a"))
LIMITED = workflow(container_task("a", executionTimeoutSeconds=20))


def children(its_pod: JsonObject | None = None, its_job: JsonObject | None = None) -> Any:
    pods: JsonObject = {"pods": {A: [its_pod]}} if its_pod else {}
    return {"jobs": {A: its_job or job("a")}, **pods}


def running(**status: str) -> JsonObject:
    return pod({"running": {"startedAt": ago(0)}}, node="node-1", **status)


RUNNING: JsonObject = {
    "phase": "Running",
    "tasks": [
        {
            "name": "a",
            "state": "Running",
            "attempt": 1,
            "job": A,
            "queuedAt": ago(290),
            "startedAt": ago(280),
        }
    ],
}
QUEUED: JsonObject = {
    "phase": "Running",
    "tasks": [{"name": "a", "state": "Queued", "attempt": 1, "job": A, "queuedAt": ago(290)}],
}


def test_an_attempt_that_ran_never_times_out_for_scheduling() -> None:
    entry = entries(plan(FLOW, RUNNING, later=20, **children()))["a"]
    assert (entry["state"], entry["startedAt"][:19]) == (
        "Running",
        RUNNING["tasks"][0]["startedAt"][:19],
    )


@pytest.mark.parametrize("counter", ["active", "terminating", "failed", "succeeded"])
def test_an_attempt_waits_for_a_pod_that_only_its_job_counts(counter: str) -> None:
    seen = job("a")
    seen["status"][counter] = 1
    made = plan(FLOW, QUEUED, later=20, **children(its_job=seen))
    assert entries(made)["a"]["state"] == "Queued"
    assert made.requeue_at == NOW + timedelta(seconds=25)
    soon = plan(FLOW, QUEUED, later=22, **children(its_job=seen))
    assert soon.requeue_at == made.requeue_at  # a plan that remembers the first one says so too
    lost = entries(plan(FLOW, QUEUED, later=20, **children()))["a"]
    assert lost["reason"] == "ScheduleTimedOut"


def test_a_container_that_restarts_has_started() -> None:
    again = pod({"waiting": {"reason": "CrashLoopBackOff"}})
    again["status"]["containerStatuses"][0]["restartCount"] = 2
    assert entries(plan(FLOW, QUEUED, later=20, **children(again)))["a"]["state"] == "Running"


def test_a_pod_deleted_before_its_start_is_lost_and_not_timed_out() -> None:
    stuck = pod({"waiting": {"reason": "ContainerCreating"}})
    stuck["metadata"]["deletionTimestamp"] = ago(0)
    made = plan(FLOW, QUEUED, later=20, **children(stuck))
    assert made.requeue_at == NOW + timedelta(seconds=60)
    lost = entries(plan(FLOW, QUEUED, later=60, **children(stuck)))["a"]
    assert (lost["disruptions"], lost["attempts"][0]["reason"]) == (1, "PodLost")


def test_the_clock_of_a_container_task_starts_with_its_own_container() -> None:
    made = plan(LIMITED, **children(running(startTime=ago(100))))
    assert made.requeue_at == NOW + timedelta(seconds=21)
    assert made.patch == ()


def test_a_container_task_past_its_limit_gets_a_pod_deadline() -> None:
    its_pod = running(startTime=ago(100))
    made = plan(LIMITED, later=21, **children(its_pod))
    assert made.patch == (pod_deadline("pod", 121),)
    assert made.requeue_at == NOW + timedelta(seconds=21 + 30 + 60)
    its_pod["spec"]["activeDeadlineSeconds"] = 121
    assert plan(LIMITED, later=21, **children(its_pod)).patch == ()
    assert plan(FLOW, later=2000, **children(its_pod)).patch == ()  # its runner keeps the time


def test_a_pod_whose_start_is_unknown_is_ended_at_once() -> None:
    made = plan(LIMITED, later=21, **children(running()))
    assert made.patch == (pod_deadline("pod", 1),)


def test_a_pod_that_is_being_deleted_gets_no_deadline() -> None:
    its_pod = running(startTime=ago(100))
    its_pod["metadata"]["deletionTimestamp"] = ago(-30)
    assert plan(LIMITED, later=21, **children(its_pod)).patch == ()


def test_an_output_from_before_the_replay_is_ignored() -> None:
    """A Job that no status names was made for an earlier replay, and its pod has reported."""
    failed: JsonObject = {
        "phase": "Failed",
        "replays": 1,
        "finishedAt": ago(5),
        "tasks": [{"name": "a", "state": "Failed", "attempt": 1, "job": A, "finishedAt": ago(5)}],
    }
    stray = attempt_name("a", 2)
    left = {stray: job("a", number=2, replay=1)}
    spec = {"replay": {"count": 2}}
    made = plan(FLOW, failed, spec=spec, jobs=left, results=reported("a", number=2))
    assert jobs(made) == [attempt_name("a", 3)]
    assert made.create[0]["metadata"]["annotations"] == {"podhatch.dev/replay": "2"}
    assert made.delete == ()  # else, were the status not stored now, its name would be used again
    after = plan(
        FLOW, made.status, spec=spec, jobs=left | {jobs(made)[0]: job("a", number=3, replay=2)}
    )
    assert after.delete == (Delete("Job", stray),)


def test_a_job_that_arrives_after_a_replay_has_begun_takes_its_number() -> None:
    """An operator that died since has asked for it, when nobody had asked for the replay."""
    pending: JsonObject = {
        "phase": "Running",
        "replays": 1,
        "tasks": [{"name": "a", "state": "Pending"}],
    }
    made = plan(FLOW, pending, spec={"replay": {"count": 1}}, jobs={A: job("a")})
    assert jobs(made) == [attempt_name("a", 2)]
    assert made.delete == (Delete("Job", A),)


def test_an_attempt_number_with_a_leftover_result_is_not_reused() -> None:
    [of_another_task] = reported("b").values()
    assert jobs(plan(FLOW, results={A: of_another_task})) == [attempt_name("a", 2)]


def test_an_attempt_of_this_replay_counts_before_the_status_names_it() -> None:
    failed: JsonObject = {
        "phase": "Failed",
        "tasks": [{"name": "a", "state": "Failed", "attempt": 1, "job": A, "finishedAt": ago(5)}],
    }
    made = plan(
        FLOW,
        failed,
        spec={"replay": {"count": 1}},
        jobs={attempt_name("a", 2): job("a", number=2, replay=1)},
        results=reported("a", number=2),
    )
    assert (jobs(made), entries(made)["a"]["state"]) == ([], "Succeeded")


def test_a_container_beside_the_task_is_ended_while_the_run_goes_on_and_after_it() -> None:
    over = pod(terminated(0, finishedAt=ago(60)), startTime=ago(90))
    over["status"]["containerStatuses"].append({"name": "proxy", "state": {"running": {}}})
    two = workflow(container_task("a"), container_task("b", "a"))
    status = {
        "phase": "Running",
        "tasks": [
            {"name": "a", "state": "Succeeded", "attempt": 1, "job": A, "finishedAt": ago(60)},
            {"name": "b", "state": "Pending"},
        ],
    }
    assert plan(two, status, **children(over)).patch == (pod_deadline("pod", 35),)
    finished = {**status, "phase": "Succeeded", "finishedAt": ago(60)}
    assert plan(two, finished, **children(over)).patch == (pod_deadline("pod", 35),)


NOTE: JsonObject = {"reason": "FailedMount", "note": "no such volume", "eventTime": ago(1)}


def test_a_plan_asks_for_events_once_a_pod_does_not_start_and_explains_by_them() -> None:
    its_pod = pod()
    its_pod["metadata"]["uid"] = "pod-uid"
    first = plan(FLOW, **children(its_pod))
    assert (first.look_up, first.requeue_at) == ((), NOW + timedelta(seconds=4))
    later = plan(FLOW, first.status, later=4, **children(its_pod))
    assert (later.look_up, later.requeue_at) == (("pod-uid",), NOW + timedelta(seconds=19))
    told = plan(FLOW, first.status, later=4, notes={"pod-uid": [NOTE]}, **children(its_pod))
    entry = entries(told)["a"]
    assert (entry["state"], entry["reason"]) == ("Queued", "FailedMount")
    assert "no such volume" in entry["message"]
    late = plan(FLOW, QUEUED, later=20, notes={"pod-uid": [NOTE]}, **children(its_pod))
    assert entries(late)["a"]["reason"] == "ScheduleTimedOut"
    assert "no such volume" in entries(late)["a"]["message"]


def test_a_plan_asks_for_the_events_of_a_job_without_a_pod() -> None:
    assert plan(FLOW, QUEUED, later=4, **children()).look_up == ("job-uid",)
    seen = job("a")
    seen["status"]["active"] = 1
    assert plan(FLOW, QUEUED, later=20, **children(its_job=seen)).look_up == ()


def test_a_replay_before_the_first_status_does_not_reuse_a_number() -> None:
    """Its task waits in the replay: the Job that was made before is deleted meanwhile."""
    flow = workflow(task("z"), task("a", "z"))
    spec = {"replay": {"count": 1}}
    made = plan(flow, spec=spec, jobs={A: job("a")})
    assert jobs(made) == [attempt_name("z")]
    assert entries(made)["a"]["attempt"] == 1
    both = {A: job("a"), attempt_name("z"): job("z", replay=1)}
    after = plan(flow, made.status, spec=spec, jobs=both, results=reported("z"))
    assert after.delete == (Delete("Job", A),)
    assert jobs(after) == [attempt_name("a", 2)]
