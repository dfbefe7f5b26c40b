"""A durable task in a run: it gives up its pod, waits without one, and is resumed."""

import json
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from podhatch.api import labels
from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.run.clean_up import AWAITED_PAUSE, JOB_GRACE
from podhatch.core.run.eviction import NOTHING_AWAITED
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.revision import current_revision, revision_manifest

from tests.fakes.durable import awaits, by_name, memo, over, page, sleep, wait
from tests.fakes.objects import (
    DEFAULTS,
    NOW,
    RUN_UID,
    ago,
    attempt_name,
    job,
    pod,
    run,
    task,
    terminated,
    workflow,
)
from tests.unit.core.planning import ERROR, entries, failed, jobs, plan, reported, stored, variable

DURABLE: JsonObject = {"clusterAccess": "spawn", "durable": {"evictionTtlSeconds": 30}}
FLOW = workflow(task("a", retries=2, **DURABLE), task("b", "a"))
OPEN = page(wait(1, sleep(60)), wait(2, sleep(90)), waits=[])
OPEN["status"]["waiting"] = "sleeps until noon"
ONE_OVER = page(wait(1, sleep(60)), wait(2, sleep(90)), waits=[over(1)])


def entry(state: str = "Waiting", **fields: object) -> JsonObject:
    noted = {"name": "a", "state": state, "attempt": 1, **fields}
    return {"waitsOver": 0, **noted} if state == "Waiting" else noted


def status(*noted: JsonObject, **fields: object) -> JsonObject:
    second = {"name": "b", "state": "Pending", "reason": "WaitingForParents"}
    return {
        "phase": "Running",
        "startedAt": ago(9),
        "tasks": [*noted, second],
        "conditions": [],
        **fields,
    }


def parked(**fields: object) -> JsonObject:
    waiting = {"reason": "Evicted", "message": "sleeps until noon", "evictedAt": ago(5)}
    return status(entry() | waiting | fields)


def evicted(number: int = 1, waits_over: int = 0) -> JsonObject:
    return reported("a", "Evicted", number, waitsOver=waits_over)


def planned(stored: JsonObject | None, *pages: JsonObject, **more: Any) -> Plan:
    return plan(more.pop("flow", FLOW), stored, durable_logs=by_name(*pages), **more)


def test_a_durable_task_knows_its_log_and_how_long_it_waits_in_its_pod() -> None:
    made = planned(None)
    assert jobs(made) == [attempt_name("a")]
    assert variable(made, "PODHATCH_DURABLE_LOG") == attempt_name("a")[:-2] + "-log"
    assert variable(made, "PODHATCH_EVICTION_TTL_SECONDS") == "30"
    assert variable(planned(None, flow=workflow(task("a"))), "PODHATCH_DURABLE_LOG") is None


def test_a_task_that_gave_up_its_pod_waits_and_says_for_what() -> None:
    begun = status(entry("Running", job=attempt_name("a"), startedAt=ago(5), queuedAt=ago(6)))
    report = reported("a", "Evicted", waitsOver=3, finishedAt=ago(2))
    name = attempt_name("a")
    made = planned(begun, OPEN, results=report, jobs={name: job("a", created=ago(6))})
    assert made.urgent
    assert entries(made)["a"] == {
        "name": "a",
        "state": "Waiting",
        "reason": "Evicted",
        "attempt": 1,
        "waitsOver": 3,
        "evictedAt": "2026-11-23T11:59:58.000000Z",
        "message": "sleeps until noon",
    }
    assert stored(made)["message"] == "task a: sleeps until noon"
    assert (stored(made)["phase"], stored(made)["progress"]) == ("Running", "0/2")
    assert (made.create, made.delete) == ((), ())


def test_a_termination_message_tells_of_an_eviction_as_well() -> None:
    running = status(entry("Running", job=attempt_name("a"), startedAt=ago(5)))
    spec = next(iter(evicted(waits_over=1).values()))["spec"]
    its_pod = pod(terminated(75, json.dumps(spec)))
    name = attempt_name("a")
    made = planned(running, OPEN, jobs={name: job("a")}, pods={name: [its_pod]})
    assert entries(made)["a"]["waitsOver"] == 1


def test_the_job_and_the_result_of_an_evicted_attempt_go_once_that_is_stored() -> None:
    made = planned(parked(), OPEN, results=evicted())
    name = attempt_name("a")
    assert made.delete == (Delete("Job", name), Delete("TaskResult", name))
    assert entries(made)["a"] == parked()["tasks"][0]
    late = planned(parked(), OPEN, jobs={name: job("a")}, later=JOB_GRACE.total_seconds() + 1)
    assert late.delete == (Delete("Job", name),)


def test_a_task_waits_as_long_as_no_more_of_its_waits_are_over() -> None:
    made = planned(parked(waitsOver=1), {**ONE_OVER, "status": {**ONE_OVER["status"]}})
    assert (made.create, made.requeue_at) == ((), None)
    assert entries(made)["a"]["message"] == "waits without a pod"
    made = planned(parked(waitsOver=1), OPEN)
    assert (made.create, entries(made)["a"]) == ((), parked(waitsOver=1)["tasks"][0])
    assert planned(parked()).create == ()


def test_a_task_is_resumed_once_more_of_its_waits_are_over() -> None:
    made = planned(parked(retries=1, disruptions=1, attempt=3), ONE_OVER)
    assert jobs(made) == [attempt_name("a", 4)]
    resumed = entries(made)["a"]
    assert (resumed["state"], resumed["attempt"], resumed["job"]) == (
        *("Queued", 4),
        attempt_name("a", 4),
    )
    assert (resumed["resumes"], resumed["retries"], resumed["disruptions"]) == (1, 1, 1)
    assert "waitsOver" not in resumed
    assert variable(made, "PODHATCH_ATTEMPT") == "4"
    assert variable(made, "PODHATCH_RETRY_COUNT") == "2"


def test_a_wait_that_is_over_between_the_pods_look_and_its_end_is_not_lost() -> None:
    running = status(entry("Running", job=attempt_name("a"), startedAt=ago(5)))
    made = planned(running, ONE_OVER, results=evicted())
    assert (entries(made)["a"]["state"], made.create) == ("Waiting", ())
    assert jobs(planned(made.status, ONE_OVER, results=evicted())) == [attempt_name("a", 2)]


def test_a_resume_whose_job_was_made_and_not_noted_is_found_and_counts_once() -> None:
    name = attempt_name("a", 2)
    made = planned(parked(), ONE_OVER, jobs={name: job("a", number=2)})
    assert made.create == ()
    found = entries(made)["a"]
    assert (found["job"], found["resumes"], "waitsOver" in found) == (name, 1, False)
    again = planned(made.status, ONE_OVER, jobs={name: job("a", number=2)})
    assert again.status is None or entries(again)["a"]["resumes"] == 1


def test_resumes_stay_through_a_retry_and_are_not_retries() -> None:
    name = attempt_name("a", 2)
    running = status(entry("Running", attempt=2, job=name, resumes=1, startedAt=ago(5)))
    failing = reported("a", "Failed", 2, error=ERROR, finishedAt=ago(0))
    made = planned(running, ONE_OVER, results=failing)
    noted = entries(made)["a"]
    assert (noted["reason"], noted["retries"], noted["resumes"]) == ("Retrying", 1, 1)
    again = planned(made.status, ONE_OVER, results=failing)
    assert jobs(again) == [attempt_name("a", 3)]
    assert variable(again, "PODHATCH_RETRY_COUNT") == "1"


def test_an_exit_code_without_a_report_is_a_lost_report() -> None:
    name = attempt_name("a")
    running = status(entry("Running", job=name, startedAt=ago(5)))
    children = {"jobs": {name: job("a")}, "pods": {name: [pod(terminated(75))]}}
    made = planned(running, ONE_OVER, later=6, **children)
    noted = entries(made)["a"]
    assert (noted["reason"], noted["disruptions"]) == ("Disrupted", 1)
    assert noted["attempts"][0]["reason"] == "ReportLost"


def test_a_task_that_is_not_durable_cannot_wait_without_a_pod() -> None:
    flow = workflow(task("a"))
    running = status(entry("Running", job=attempt_name("a"), startedAt=ago(5)))
    noted = entries(planned(running, flow=flow, results=evicted()))["a"]
    assert (noted["state"], noted["reason"]) == ("Failed", "TaskFailed")
    assert "it is not durable" in noted["message"]
    name = attempt_name("a")
    children = {"jobs": {name: job("a")}, "pods": {name: [pod(terminated(75))]}}
    noted = entries(planned(running, flow=flow, later=6, **children))["a"]
    assert (noted["state"], noted["reason"], noted["exitCode"]) == ("Failed", "ExitCode", 75)


def test_a_cancelled_task_without_a_pod_ends_at_once() -> None:
    made = planned(parked(), OPEN, spec={"desiredState": "Cancelled"})
    noted = entries(made)["a"]
    assert (noted["state"], noted["reason"]) == ("Cancelled", "RunCancelled")
    assert "waitsOver" not in noted
    assert stored(made)["phase"] == "Cancelled"


def test_a_resume_that_was_made_as_the_run_was_cancelled_is_noted() -> None:
    name = attempt_name("a", 2)
    cancel = {"desiredState": "Cancelled"}
    made = planned(parked(), ONE_OVER, jobs={name: job("a", number=2)}, spec=cancel)
    noted = entries(made)["a"]
    assert (noted["job"], noted["resumes"]) == (name, 1)
    after = planned(made.status, ONE_OVER, jobs={name: job("a", number=2)}, spec=cancel)
    assert after.delete == (Delete("Job", name),)


def test_a_replay_goes_on_with_the_log_and_counts_no_resume() -> None:
    ended = entry("Succeeded", attempt=3, job=attempt_name("a", 3), resumes=2, finishedAt=ago(3))
    second = {"name": "b", "state": "Succeeded", "attempt": 1, "job": attempt_name("b")}
    old = {"phase": "Succeeded", "finishedAt": ago(3), "tasks": [ended, second]}
    made = planned(old, ONE_OVER, spec={"replay": {"count": 1}})
    assert jobs(made) == [attempt_name("a", 4)]
    assert variable(made, "PODHATCH_RETRY_COUNT") == "1"
    assert entries(made)["a"]["resumes"] == 2


def test_a_replay_of_a_task_that_waits_without_a_pod_is_no_resume() -> None:
    made = planned(parked(), OPEN, spec={"replay": {"count": 1}})
    assert jobs(made) == [attempt_name("a", 2)]
    assert variable(made, "PODHATCH_RETRY_COUNT") == "1"
    assert "resumes" not in entries(made)["a"]


def test_a_refused_resume_stays_one() -> None:
    made = planned(parked(), ONE_OVER)
    [name] = jobs(made)
    refusals = {name: ApiRefusal(403, "exceeded quota")}
    refused = planned(parked(), ONE_OVER, refusals=refusals)
    noted = entries(refused)["a"]
    assert (noted["state"], noted["reason"], noted["waitsOver"]) == ("Queued", "Refused", 0)
    again = planned(refused.status, ONE_OVER)
    assert entries(again)["a"]["resumes"] == 1


def test_a_resume_asks_for_slots_and_for_no_units() -> None:
    limited = {"concurrency": [{"maxRuns": 1}], "rateLimits": [{"staticKey": "api"}]}
    flow = workflow(task("a", **DURABLE, **limited), task("b", "a"))
    made = planned(parked(), ONE_OVER, flow=flow)
    noted = entries(made)["a"]
    assert (noted["reason"], noted["waitsOver"], made.create) == ("Concurrency", 0, ())
    claim = {"task": "a", "limit": "l", "maxRuns": 1, "since": ago(1), "held": True}
    granted = {**stored(made), "concurrency": [claim]}
    after = planned(granted, ONE_OVER, flow=flow)
    assert jobs(after) == [attempt_name("a", 2)]
    assert entries(after)["a"]["resumes"] == 1
    assert planned(parked(), OPEN, flow=flow).claims == ()


def test_a_slot_is_given_up_while_the_task_waits() -> None:
    flow = workflow(task("a", **DURABLE, concurrency=[{"maxRuns": 1}]), task("b", "a"))
    claim = {"task": "a", "limit": "l", "maxRuns": 1, "since": ago(1), "held": True}
    noted = entry("Running", job=attempt_name("a"), startedAt=ago(5))
    made = planned(status(noted, concurrency=[claim]), OPEN, flow=flow, results=evicted())
    assert "concurrency" not in stored(made)
    assert made.urgent


def test_a_memo_knows_that_a_log_has_changed() -> None:
    revision = current_revision(FLOW)
    pinned = {revision.name: revision_manifest(revision, FLOW)}
    noted = parked() | {"revision": revision.name}
    observed = Observed(run(noted), FLOW, pinned, durable_logs=by_name(OPEN))
    memo = PlanMemo()
    for each in (
        observed,
        replace(observed, durable_logs=by_name(ONE_OVER)),
        replace(observed, durable_logs={}),
    ):
        assert plan_run(each, DEFAULTS, NOW, memo) == plan_run(each, DEFAULTS, NOW)
    resumed = plan_run(replace(observed, durable_logs=by_name(ONE_OVER)), DEFAULTS, NOW, memo)
    assert jobs(resumed) == [attempt_name("a", 2)]


def resumed_with(waits: int, number: int = 2) -> dict[str, JsonObject]:
    """Return the Job of a resume that was made when so many waits were over."""
    made = job("a", number=number)
    made["metadata"]["annotations"] = {labels.WAITS_OVER: str(waits)}
    return {made["metadata"]["name"]: made}


def running(number: int = 2, **fields: object) -> JsonObject:
    name = attempt_name("a", number)
    return status(entry("Running", attempt=number, job=name, startedAt=ago(5), **fields))


def test_a_job_tells_how_many_waits_were_over_when_it_was_made() -> None:
    [first] = planned(None).create
    assert first["metadata"]["annotations"] == {labels.WAITS_OVER: "0"}
    [second] = planned(parked(), ONE_OVER).create
    assert second["metadata"]["annotations"] == {labels.WAITS_OVER: "1"}
    [plain] = planned(None, flow=workflow(task("a"))).create
    assert "annotations" not in plain["metadata"]


def test_a_pod_that_has_not_seen_what_was_over_before_it_is_resumed_after_a_backoff() -> None:
    made = planned(
        running(resumes=1), ONE_OVER, jobs=resumed_with(1), results=evicted(2, waits_over=0)
    )
    noted = entries(made)["a"]
    assert (noted["state"], noted["reason"]) == ("Waiting", "ResumeBackOff")
    assert (noted["waitsOver"], noted["idleResumes"]) == (0, 1)
    assert noted["nextAttemptAt"] == "2026-11-23T12:00:02.000000Z"
    assert noted["message"].startswith("its pod reported 0 waits as over, and 1 were when")
    assert stored(made)["message"].startswith("task a: its pod reported 0 waits")
    assert [each["reason"] for each in made.events] == ["ResumeBackOff"]
    early = planned(made.status, ONE_OVER, later=1)
    assert (early.create, early.requeue_at) == ((), NOW + timedelta(seconds=2))
    assert early.status is None or entries(early)["a"] == noted
    assert jobs(planned(made.status, ONE_OVER, later=2)) == [attempt_name("a", 3)]


def test_a_pod_that_has_seen_what_was_over_before_it_is_resumed_at_once() -> None:
    two_over = page(wait(1, sleep(60)), wait(2, sleep(90)), waits=[over(1), over(2)])
    made = planned(
        running(resumes=1, idleResumes=3),
        two_over,
        jobs=resumed_with(1),
        results=evicted(2, waits_over=1),
    )
    noted = entries(made)["a"]
    assert (noted["reason"], noted["waitsOver"], "idleResumes" in noted) == ("Evicted", 1, False)
    assert jobs(planned(made.status, two_over)) == [attempt_name("a", 3)]


def test_a_wait_that_is_over_during_a_backoff_is_not_lost() -> None:
    fields = {"reason": "ResumeBackOff", "idleResumes": 2, "nextAttemptAt": ago(-4)}
    made = planned(parked(**fields), OPEN, later=3)
    assert made.create == ()
    assert jobs(planned(parked(**fields), ONE_OVER, later=4)) == [attempt_name("a", 2)]


def test_waits_that_a_reset_has_taken_away_are_not_missed() -> None:
    made = planned(
        running(resumes=1), ONE_OVER, jobs=resumed_with(5), results=evicted(2, waits_over=1)
    )
    assert entries(made)["a"]["reason"] == "Evicted"


def test_pods_that_never_see_that_a_wait_is_over_are_few() -> None:
    noted, clock, made_at = parked(), 0.0, list[float]()
    children: dict[str, dict[str, JsonObject]] = {"jobs": {}, "results": {}}
    while clock < 600:
        made = planned(noted, ONE_OVER, later=clock, **children)
        for each in made.create:
            made_at.append(clock)
            number = int(each["metadata"]["labels"][labels.ATTEMPT])
            children["jobs"] = resumed_with(1, number)
            children["results"] = evicted(number, waits_over=0)
        for each in made.delete:
            children[{"Job": "jobs", "TaskResult": "results"}[each.kind]].pop(each.name, None)
        if made.status is None and not made.delete:
            assert made.requeue_at is not None, "the task waits for ever"
            clock = (made.requeue_at - NOW).total_seconds()
        noted = made.status or noted
    pauses = [later - earlier for earlier, later in pairwise(made_at)]
    assert pauses[:6] == [2, 4, 8, 16, 32, 60]
    assert set(pauses[6:]) == {60}


def test_a_task_whose_log_cannot_be_read_fails_and_says_what_to_do() -> None:
    name = OPEN["metadata"]["name"]
    why = "the object has 2000000 bytes"
    cut: JsonObject = {"metadata": OPEN["metadata"], "spec": {}, UNREADABLE: why}
    noted = entries(planned(parked(), cut))["a"]
    assert (noted["state"], noted["reason"]) == ("Failed", "LogUnreadable")
    assert f"DurableLog {name} cannot be read" in noted["message"]
    assert "2000000 bytes" in noted["message"]
    assert "reset_durable_task" in noted["message"]
    in_its_pod = planned(running(1), cut, jobs={attempt_name("a"): job("a")})
    assert entries(in_its_pod)["a"]["state"] == "Running"


@pytest.mark.parametrize("pages", [[], [page(memo(1))], [page(wait(1), waits=[over(1)])]])
def test_a_task_whose_log_has_no_open_wait_gets_a_pod_after_a_minute(
    pages: list[JsonObject],
) -> None:
    waiting = parked(waitsOver=1, evictedAt=ago(20))
    made = planned(waiting, *pages)
    assert made.create == ()
    assert made.requeue_at == NOW + timedelta(seconds=40)
    assert entries(made)["a"]["message"] == NOTHING_AWAITED
    assert jobs(planned(made.status, *pages, later=40)) == [attempt_name("a", 2)]
    del waiting["tasks"][0]["evictedAt"]
    made = planned(waiting, *pages)
    assert jobs(planned(made.status, *pages, later=59)) == []
    assert jobs(planned(made.status, *pages, later=60)) == [attempt_name("a", 2)]


def test_a_pod_whose_log_was_taken_away_has_neither_failed_nor_is_it_a_retry() -> None:
    name = attempt_name("a")
    children: dict[str, Any] = {
        "jobs": {name: job("a")},
        "pods": {name: [pod(terminated(76))]},
    }
    made = planned(running(1), ONE_OVER, later=3, **children)
    assert entries(made)["a"]["state"] == "Running", "the reset itself may still come"
    noted = entries(planned(running(1), ONE_OVER, later=6, **children))["a"]
    assert (noted["reason"], noted["disruptions"], "retries" in noted) == ("Disrupted", 1, False)
    assert "was reset" in noted["attempts"][0]["message"]


def test_the_reset_of_a_task_that_runs_stops_its_pod_and_counts_nothing() -> None:
    name = attempt_name("a")
    children: dict[str, Any] = {
        "jobs": {name: job("a")},
        "pods": {name: [pod(terminated(76))]},
    }
    asked = {"replay": {"count": 1, "task": "a"}}
    made = planned(running(1), ONE_OVER, spec=asked, **children)
    assert jobs(made) == [attempt_name("a", 2)]
    noted = entries(made)["a"]
    assert not noted.keys() & {"retries", "disruptions", "resumes"}
    assert [each["reason"] for each in noted["attempts"]] == ["Replayed"]
    children["jobs"] |= {attempt_name("a", 2): job("a", number=2, replay=1)}
    after = planned(made.status, ONE_OVER, spec=asked, **children)
    assert after.delete == (Delete("Job", name),)


# Sticky runs.

STICKY = workflow(task("a", retries=1, **DURABLE), task("b"), sticky="Hard")


def node_of(made: Plan, name: str) -> str | None:
    """Return the node that a new Job requires."""
    [its_job] = [each for each in made.create if each["metadata"]["name"] == name]
    affinity = its_job["spec"]["template"]["spec"].get("affinity")
    if affinity is None:
        return None
    [term] = affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    return term["matchFields"][0]["values"][0]


def sticky_status(*noted: JsonObject, **fields: object) -> JsonObject:
    return {**status(**fields), "tasks": list(noted)}


def begun(name: str, node: str, since: float, **fields: object) -> JsonObject:
    noted = {"name": name, "state": "Running", "attempt": 1, "job": attempt_name(name)}
    return {**noted, "node": node, "startedAt": ago(since)} | fields


LATER = {"name": "b", "state": "Queued", "attempt": 1, "retries": 1, "nextAttemptAt": ago(0)}
"""Of a task that is ready for another attempt."""


def test_a_sticky_run_whose_only_task_waits_without_a_pod_resumes_on_its_node() -> None:
    at_first = sticky_status(begun("a", "n1", 5), {"name": "b", "state": "Skipped"})
    made = planned(at_first, OPEN, flow=STICKY, results=evicted())
    assert (stored(made)["node"], entries(made)["a"]["node"]) == ("n1", "n1")
    other = {**OPEN, "status": {**OPEN["status"], "waiting": "sleeps until night"}}
    still = planned(made.status, other, flow=STICKY)
    assert (still.create, entries(still)["a"]["node"]) == ((), "n1")
    resumed = planned(made.status, ONE_OVER, flow=STICKY)
    assert node_of(resumed, attempt_name("a", 2)) == "n1"
    assert (stored(resumed)["node"], entries(resumed)["a"]["node"]) == ("n1", "n1")


def test_an_eviction_that_is_the_first_news_of_a_pod_tells_the_node_of_a_sticky_run() -> None:
    name = attempt_name("a")
    queued = entry("Queued", job=attempt_name("a"))
    its_pod = pod(terminated(75), node="n1")
    children = {"jobs": {name: job("a")}, "pods": {name: [its_pod]}, "results": evicted()}
    made = planned(
        sticky_status(queued), OPEN, flow=workflow(task("a", **DURABLE), sticky="Hard"), **children
    )
    assert stored(made)["node"] == "n1"


def test_a_refused_resume_of_a_sticky_run_keeps_its_node() -> None:
    waiting = begun("a", "n1", 5, state="Waiting", waitsOver=0, evictedAt=ago(3))
    old = sticky_status(waiting | {"job": None, "startedAt": None}, LATER, node="n1")
    name = attempt_name("a", 2)
    refusals = {name: ApiRefusal(403, "exceeded quota")}
    made = planned(old, ONE_OVER, flow=STICKY, refusals=refusals)
    assert node_of(made, attempt_name("b", 2)) == "n1"
    assert node_of(planned(made.status, ONE_OVER, flow=STICKY), name) == "n1"


def test_a_sticky_run_keeps_its_node_while_a_resumed_task_has_no_node() -> None:
    queued = entry("Queued", attempt=2, job=attempt_name("a", 2), resumes=1, node="n1")
    old = sticky_status({**queued, "queuedAt": ago(1), "evictedAt": ago(3)}, LATER, node="n1")
    made = planned(old, ONE_OVER, flow=STICKY, jobs={attempt_name("a", 2): job("a", number=2)})
    assert node_of(made, attempt_name("b", 2)) == "n1"
    found = planned(
        sticky_status(entry(node="n1", evictedAt=ago(3)), LATER, node="n1"),
        ONE_OVER,
        flow=STICKY,
        jobs={attempt_name("a", 2): job("a", number=2)},
    )
    assert entries(found)["a"]["node"] == "n1"
    assert node_of(found, attempt_name("b", 2)) == "n1"


def test_a_sticky_run_keeps_its_node_after_a_wait_whatever_begins_meanwhile() -> None:
    flow = workflow(task("a", **DURABLE), task("b"), task("c", "b"), sticky="Hard")
    last = {"name": "c", "state": "Pending"}
    at_first = sticky_status(begun("a", "n1", 5), begun("b", "n2", 4), last)
    both = {attempt_name(name): job(name) for name in ("a", "b")}
    running = planned(at_first, OPEN, flow=flow, jobs=both)
    assert stored(running)["node"] == "n1"
    children: dict[str, Any] = {"jobs": {attempt_name("b"): job("b")}}
    waiting = planned(running.status, OPEN, flow=flow, results=evicted(), **children)
    resumed = planned(waiting.status, ONE_OVER, flow=flow, **children)
    assert node_of(resumed, attempt_name("a", 2)) == "n1"
    again = begun("a", "n1", 1, attempt=2, job=attempt_name("a", 2), resumes=1)
    old = sticky_status(again, begun("b", "n2", 4), last, node="n1")
    children["jobs"] |= {attempt_name("a", 2): job("a", number=2)}
    made = planned(old, ONE_OVER, flow=flow, results=reported("b"), **children)
    assert node_of(made, attempt_name("c")) == "n1"


def test_a_sticky_run_follows_a_resumed_task_to_another_node() -> None:
    again = begun("a", "n3", 1, attempt=2, job=attempt_name("a", 2), resumes=1)
    children = {"jobs": {attempt_name("a", 2): job("a", number=2)}}
    made = planned(sticky_status(again, LATER, node="n1"), flow=STICKY, **children)
    assert (node_of(made, attempt_name("b", 2)), stored(made)["node"]) == ("n3", "n3")


def test_a_failed_attempt_after_a_wait_does_not_hold_a_sticky_run_to_its_node() -> None:
    name = attempt_name("a", 2)
    again = begun("a", "n1", 1, attempt=2, job=name, resumes=1, evictedAt=ago(3))
    skipped = {"name": "b", "state": "Skipped"}
    old = sticky_status(again, skipped, node="n1")
    made = planned(old, ONE_OVER, flow=STICKY, results=failed("a", 2))
    assert "node" not in entries(made)["a"]
    assert "node" not in stored(made)
    retry = planned(made.status, ONE_OVER, flow=STICKY, results=failed("a", 2))
    assert node_of(retry, attempt_name("a", 3)) is None


def test_a_run_that_is_not_sticky_has_no_node() -> None:
    made = planned(status(begun("a", "n1", 5)), OPEN, results=evicted())
    assert "node" not in stored(made)


def test_the_time_of_the_eviction_stays_until_the_task_is_tried_again() -> None:
    made = planned(parked(), ONE_OVER)
    assert entries(made)["a"]["evictedAt"] == "2026-11-23T11:59:55.000000Z"
    children = {"jobs": resumed_with(1), "results": failed("a", 2)}
    again = planned(made.status, ONE_OVER, **children)
    assert "evictedAt" not in entries(again)["a"]


@pytest.mark.parametrize("name", ["another-log-0", "x", ""])
def test_pages_of_other_logs_do_not_count(name: str) -> None:
    made = plan(FLOW, parked(), durable_logs={name: ONE_OVER})
    assert made.create == ()


def test_pages_are_told_in_their_order() -> None:
    pages = [page(wait(each + 1, awaits()), number=each) for each in (10, 2, 0)]
    for number, each in zip((10, 2, 0), pages, strict=True):
        each["status"] = {"waiting": f"waits for event e{number}"}
    noted = entries(planned(parked(), *pages))["a"]
    assert noted["message"] == "waits for event e0; waits for event e2; waits for event e10"


@pytest.mark.parametrize(
    ("above", "owner", "kept"),
    [
        ([run({"phase": "Running"})], RUN_UID, True),
        ([run({"phase": "Succeeded"})], RUN_UID, False),
        ([run({"phase": "Running"})], "another", False),
        ([], RUN_UID, False),
    ],
)
def test_a_child_that_ended_stays_while_its_parent_goes_on(
    above: list[JsonObject], owner: str, kept: bool
) -> None:
    parent = {"run": "flow-1", "task": "a", "job": attempt_name("a"), "index": 0}
    child = run({"phase": "Succeeded", "finishedAt": ago(99)}, parent=parent)
    child["metadata"] = {
        **child["metadata"],
        "name": "child-1",
        "uid": "child-uid",
        "ownerReferences": [
            {"apiVersion": "v", "kind": "WorkflowRun", "name": "flow-1", "uid": owner}
        ],
    }
    defaults = replace(DEFAULTS, run_ttl_seconds=60)
    made = plan_run(Observed(child, ancestors=above), defaults, NOW)
    assert made.delete == (() if kept else (Delete("WorkflowRun", "child-1"),))
    assert made.requeue_at == (NOW + AWAITED_PAUSE if kept else None)
    long = replace(DEFAULTS, run_ttl_seconds=86_400)
    later = plan_run(Observed(child, ancestors=above), long, NOW)
    assert later.requeue_at == NOW + timedelta(seconds=86_400 - 99)
