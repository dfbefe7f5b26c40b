"""What a run does between start and end, by plan_run: retries, conditions, hooks, queues."""

import json
from datetime import timedelta
from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch.core.common.plan import job_deadline
from podhatch.core.workflow.revision import current_revision

from tests.fakes.objects import (
    NOW,
    ago,
    attempt_name,
    event,
    job,
    pod,
    result,
    task,
    terminated,
    workflow,
)
from tests.unit.core.planning import (
    ERROR,
    HOOK,
    entries,
    failed,
    jobs,
    plan,
    reported,
    states,
    stored,
    variable,
)

REPORT: JsonObject = {"name": "tell", "python": "m:tell"}
SKIP: JsonObject = {"parent": {"name": "a", "expression": "output.skip"}}

# Retries.


def test_a_retry_waits_for_its_backoff_and_the_attempt_stays_on_record() -> None:
    flow = workflow(task("a", retries=1, backoffFactor=3))
    made = plan(flow, results=failed("a"))
    entry = entries(made)["a"]
    assert jobs(made) == []
    assert (entry["state"], entry["reason"], entry["retries"]) == ("Queued", "Retrying", 1)
    assert entry["nextAttemptAt"] == "2026-11-23T12:00:03.000000Z"
    assert made.requeue_at == NOW + timedelta(seconds=3)
    [record] = entry["attempts"]
    assert (record["attempt"], record["reason"]) == (1, "TaskFailed")
    assert record["message"] == "ValueError: bad"
    assert jobs(plan(flow, made.status, later=2.9, results=failed("a"))) == []
    again = plan(flow, made.status, later=3, results=failed("a"))
    assert jobs(again) == [attempt_name("a", 2)]
    assert variable(again, "PODHATCH_RETRY_COUNT") == "1"
    assert variable(again, "PODHATCH_MAX_ATTEMPTS") == "2"
    last = plan(flow, again.status, later=9, results=failed("a") | failed("a", 2))
    assert stored(last)["phase"] == "Failed"
    assert (entries(last)["a"]["attempt"], entries(last)["a"]["retries"]) == (2, 1)


def test_the_next_attempt_starts_once_the_end_of_the_last_is_written_down() -> None:
    flow = workflow(task("a", retries=1))
    made = plan(flow, results=failed("a"))
    assert (jobs(made), made.urgent) == ([], True)
    assert jobs(plan(flow, made.status, results=failed("a"))) == [attempt_name("a", 2)]


def test_what_is_not_retryable_fails_at_once() -> None:
    made = plan(workflow(task("a", retries=5)), results=failed("a", retryable=False))
    assert entries(made)["a"]["state"] == "Failed"


def test_memory_is_the_users_failure_and_says_so() -> None:
    killed = pod(terminated(137, reason="OOMKilled"))
    children: dict[str, Any] = {
        "jobs": {attempt_name("a"): job("a")},
        "pods": {attempt_name("a"): [killed]},
    }
    flow = workflow(task("a", retries=1, clusterAccess=False))
    entry = entries(plan(flow, **children))["a"]
    assert (entry["retries"], entry.get("disruptions", 0)) == (1, 0)
    assert entry["attempts"][0]["reason"] == "OOMKilled"


def test_a_deleted_pod_has_its_own_counter() -> None:
    killed = pod(terminated(137))
    killed["metadata"]["deletionTimestamp"] = ago(0)
    children: dict[str, Any] = {
        "jobs": {attempt_name("a"): job("a")},
        "pods": {attempt_name("a"): [killed]},
    }
    made = plan(workflow(task("a", clusterAccess=False)), **children)
    entry = entries(made)["a"]
    assert (entry.get("retries", 0), entry["disruptions"]) == (0, 1)
    assert entry["attempts"][0]["reason"] == "PodDeleted"


def test_an_attempt_that_moves_its_limit_moves_the_jobs() -> None:
    flow = workflow(task("a"))
    running = pod({"running": {"startedAt": ago(0)}})
    early = {attempt_name("a"): result("a", extendedSeconds=90.5)}
    del early[attempt_name("a")]["spec"]["outcome"]
    children: dict[str, Any] = {
        "jobs": {attempt_name("a"): job("a")},
        "pods": {attempt_name("a"): [running]},
        "results": early,
    }
    made = plan(flow, **children)
    assert entries(made)["a"]["state"] == "Running"
    assert made.patch == (job_deadline(attempt_name("a"), 300 + 60 + 91 + 60),)
    children["jobs"][attempt_name("a")]["spec"]["activeDeadlineSeconds"] = 511
    assert plan(flow, **children).patch == ()


@pytest.mark.parametrize(
    ("fields", "limit"),
    [({}, 86_400), ({"maxExtensionSeconds": 600}, 600), ({"maxExtensionSeconds": 1e6}, 86_400)],
)
def test_an_attempt_moves_its_limit_only_so_far(fields: JsonObject, limit: int) -> None:
    early = reported("a", extendedSeconds=31_536_000.0)
    del early[attempt_name("a")]["spec"]["outcome"]
    children: dict[str, Any] = {
        "jobs": {attempt_name("a"): job("a")},
        "pods": {attempt_name("a"): [pod({"running": {"startedAt": ago(0)}})]},
        "results": early,
    }
    made = plan(workflow(task("a", **fields)), **children)
    assert made.patch == (job_deadline(attempt_name("a"), 300 + 60 + limit + 60),)
    entry = entries(made)["a"]
    assert (entry["state"], entry["reason"]) == ("Running", "ExtensionCut")
    assert f"and at most {limit}s are allowed (maxExtensionSeconds" in entry["message"]


# Conditions.


FORK = workflow(task("a"), task("b", "a", skipIf=[SKIP]), task("c", "a"), task("d", "b", "c"))


def test_a_skipped_parent_is_told_to_its_child() -> None:
    results = reported("a", output='{"skip":true}') | reported("c", output="3")
    made = plan(FORK, results=results)
    assert states(made) == {"a": "Succeeded", "b": "Skipped", "c": "Succeeded", "d": "Queued"}
    assert json.loads(variable(made, "PODHATCH_PARENTS") or "") == {"b": {"skipped": True}, "c": 3}
    ended = plan(FORK, made.status, results=results | reported("d"))
    assert stored(ended)["phase"] == "Succeeded"
    assert stored(ended)["progress"] == "4/4"


def test_all_skipped_is_skipped_and_may_be_asked_for() -> None:
    asks = {"parent": {"name": "b", "expression": "output.skipped"}}
    flow = workflow(task("a"), task("b", "a", skipIf=[SKIP]), task("c", "b"), task("d", "b", "c"))
    made = plan(flow, results=reported("a", output='{"skip":true}'))
    assert states(made) == {"a": "Succeeded", "b": "Skipped", "c": "Skipped", "d": "Skipped"}
    assert stored(made)["phase"] == "Succeeded"
    told = workflow(
        task("a"),
        task("b", "a", skipIf=[SKIP]),
        task("c", "a"),
        task("d", "b", "c", waitFor=[asks]),
    )
    made = plan(told, results=reported("a", output='{"skip":true}') | reported("c"))
    assert states(made)["d"] == "Queued"


@pytest.mark.parametrize("outcome", ["Failed", "cancelled"])
def test_a_lost_parent_cancels_even_beside_a_skipped_one(outcome: str) -> None:
    wish = {"cancelIf": [{**SKIP}]} if outcome == "cancelled" else {}
    flow = workflow(
        task("a"), task("b", "a", skipIf=[SKIP]), task("c", "a", **wish), task("d", "b", "c")
    )
    results = reported("a", output='{"skip":true}') | ({} if wish else failed("c"))
    made = plan(flow, results=results)
    assert states(made)["d"] == "Cancelled"
    assert stored(made)["phase"] == ("Cancelled" if wish else "Failed")


def test_an_event_starts_a_task_and_is_remembered() -> None:
    waits = [{"event": {"key": "go", "considerEventsSince": "RunStart"}}, {"sleepSeconds": 30}]
    flow = workflow(task("a", waitFor=waits))
    made = plan(flow, events=(event("go", 1), event("other", 1)))
    entry = entries(made)["a"]
    assert (entry["state"], entry["reason"]) == ("Pending", "WaitingForConditions")
    assert entry["met"] == ["go"]
    assert entry["message"] == "waits for 30s to pass"
    assert jobs(plan(flow, made.status, later=30)) == [attempt_name("a")]


def test_a_failing_expression_fails_the_task() -> None:
    flow = workflow(task("a"), task("b", "a", skipIf=[SKIP]))
    made = plan(flow, results=reported("a", output='{"other":1}'))
    entry = entries(made)["b"]
    assert (entry["state"], entry["reason"]) == ("Failed", "ExpressionFailed")
    assert entry["error"]["message"] == (
        "skipIf: 'output.skip' failed: Key not found in map : \"skip\""
    )


@pytest.mark.parametrize(
    "needs",
    [
        {"skipIf": [SKIP]},
        {"concurrency": [{"maxRuns": 1, "expression": "parents.a"}]},
        {"rateLimits": [{"dynamicKey": "parents.a", "limit": 1}]},
    ],
    ids=lambda needs: next(iter(needs)),
)
def test_an_expression_whose_output_is_gone_fails_its_task(needs: JsonObject) -> None:
    flow = workflow(task("a"), task("b", "a", **needs))
    large = reported("a", output=json.dumps("x" * 5000))
    status = stored(plan(flow, results=large))
    before = [entry for entry in status["tasks"] if entry["name"] == "a"]
    status = {**status, "phase": "Running", "tasks": before}
    assert entries(plan(flow, status))["b"]["reason"] == "ParentOutputLost"


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"waitFor": [{"parent": {"name": "x", "expression": "true"}}]}, "'x' is not among"),
        ({"skipIf": [{"event": {"key": "k", "expression": "input."}}]}, "is not CEL"),
        ({"cancelIf": [{"event": {"key": "k"}}, {"event": {"key": "k"}}]}, "are called 'k'"),
        (
            {"waitFor": [{"event": {"key": "k", "considerEventsSince": "2026-13-01T00:00:00Z"}}]},
            "'2026-13-01T00:00:00Z' is not a time",
        ),
    ],
)
def test_bad_conditions_make_the_workflow_invalid(fields: JsonObject, words: str) -> None:
    made = plan(workflow(task("a", **fields)))
    assert stored(made)["conditions"][0]["reason"] == "WorkflowInvalid"
    assert words in stored(made)["message"]


# The tasks at the end.


def test_the_failure_task_starts_with_the_first_failure_and_gets_the_errors() -> None:
    flow = workflow(task("a"), task("b"), onFailureTask=HOOK)
    assert entries(plan(flow))["mend"]["reason"] == "WaitingForFailure"
    made = plan(flow, jobs={attempt_name("b"): job("b")}, results=failed("a"))
    assert jobs(made) == [attempt_name("mend")]
    assert json.loads(variable(made, "PODHATCH_ERRORS") or "") == {"a": "ValueError: bad"}
    assert states(made) == {"a": "Failed", "b": "Queued", "mend": "Queued"}
    ended = plan(
        flow, made.status, results=failed("a") | reported("b") | reported("mend", output="1")
    )
    assert stored(ended)["phase"] == "Failed"
    assert states(ended)["mend"] == "Succeeded"


def test_an_error_comes_with_its_traceback_and_a_reason_stands_for_an_error() -> None:
    flow = workflow(task("a"), onFailureTask=HOOK)
    made = plan(flow, results=reported("a", "Failed", error={**ERROR, "traceback": "Trace"}))
    assert json.loads(variable(made, "PODHATCH_ERRORS") or "") == {"a": "ValueError: bad\nTrace"}
    lost: JsonObject = {"name": "a", "state": "Failed", "message": "its node is gone"}
    status = {"revision": current_revision(flow).name, "tasks": [lost]}
    assert json.loads(variable(plan(flow, status), "PODHATCH_ERRORS") or "") == {
        "a": "its node is gone"
    }


@pytest.mark.parametrize("retries", [0, 1])
def test_a_failure_counts_once_it_is_for_good(retries: int) -> None:
    flow = workflow(task("a", retries=retries), onFailureTask=HOOK)
    made = plan(flow, results=failed("a"))
    assert (attempt_name("mend") in jobs(made)) is (retries == 0)


def test_without_a_failure_the_failure_task_is_skipped() -> None:
    made = plan(workflow(task("a"), onFailureTask=HOOK), results=reported("a"))
    assert states(made) == {"a": "Succeeded", "mend": "Skipped"}
    assert stored(made)["phase"] == "Succeeded"


def test_cancelling_does_not_call_the_failure_task() -> None:
    flow = workflow(
        task("a", cancelIf=[{"sleepSeconds": 0.5}], waitFor=[{"sleepSeconds": 9}]),
        onFailureTask=HOOK,
    )
    made = plan(flow, later=1)
    assert states(made) == {"a": "Cancelled", "mend": "Skipped"}
    assert stored(made)["phase"] == "Cancelled"


def test_the_success_task_comes_below_all_leaves() -> None:
    flow = workflow(task("a"), task("b", "a"), task("c"), onSuccessTask=REPORT, onFailureTask=HOOK)
    results = reported("a", output="1") | reported("b", output="2") | reported("c", output="3")
    made = plan(flow, results=results)
    assert jobs(made) == [attempt_name("tell")]
    assert json.loads(variable(made, "PODHATCH_PARENTS") or "") == {"b": 2, "c": 3}
    assert states(made)["mend"] == "Pending"
    ended = plan(flow, made.status, results=results | reported("tell"))
    assert states(ended)["mend"] == "Skipped"
    assert stored(ended)["phase"] == "Succeeded"


def test_the_success_task_is_cancelled_by_a_failure() -> None:
    flow = workflow(task("a"), task("b"), onSuccessTask=REPORT)
    made = plan(flow, results=failed("a") | reported("b"))
    assert states(made) == {"a": "Failed", "b": "Succeeded", "tell": "Cancelled"}


@pytest.mark.parametrize("field", ["onFailureTask", "onSuccessTask"])
def test_a_hook_needs_a_name_of_its_own(field: str) -> None:
    made = plan(workflow(task("a"), **{field: {"name": "a", "python": "m:f"}}))
    assert f"spec.{field}.name: 'a' is the name of another task" in stored(made)["message"]


# Sticky runs.


@pytest.mark.parametrize("sticky", ["Soft", "Hard"])
def test_a_sticky_run_stays_on_its_first_node(sticky: str) -> None:
    wishes = [{"key": "disk", "value": "ssd", "required": True}]
    flow = workflow(
        task("a"), task("b", "a"), task("c", "a", desiredWorkerLabels=wishes), sticky=sticky
    )
    status: JsonObject = {
        "phase": "Running",
        "revision": current_revision(flow).name,
        "tasks": [
            {
                "name": "a",
                "state": "Succeeded",
                "attempt": 1,
                "job": attempt_name("a"),
                "node": "node-7",
                "startedAt": ago(3),
                "finishedAt": ago(2),
            }
        ],
    }
    made = plan(flow, status)
    here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["node-7"]}]}
    plain, picky = (
        each["spec"]["template"]["spec"]["affinity"]["nodeAffinity"] for each in made.create
    )
    if sticky == "Soft":
        wish = [{"weight": 100, "preference": here}]
        assert plain == {"preferredDuringSchedulingIgnoredDuringExecution": wish}
        assert picky["preferredDuringSchedulingIgnoredDuringExecution"] == wish
        return
    assert plain == {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [here]}
    }
    [term] = picky["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchFields"] == here["matchFields"]
    assert term["matchExpressions"][0]["key"] == "disk"


@pytest.mark.parametrize("names", [("root", "again"), ("again", "root")])
def test_a_retry_in_a_sticky_run_stays_whatever_the_order_of_its_tasks(
    names: tuple[str, str],
) -> None:
    flow = workflow(*(task(name, retries=1) for name in names), sticky="Hard")
    placed: JsonObject = {"state": "Succeeded", "node": "node-7", "job": attempt_name("root")}
    by_name: JsonObject = {
        "root": {**placed, "attempt": 1, "startedAt": ago(3), "finishedAt": ago(2)},
        "again": {"state": "Queued", "attempt": 1, "retries": 1, "nextAttemptAt": ago(1)},
    }
    status: JsonObject = {
        "phase": "Running",
        "revision": current_revision(flow).name,
        "tasks": [{"name": name, **by_name[name]} for name in names],
    }
    [retry] = plan(flow, status).create
    affinity = retry["spec"]["template"]["spec"]["affinity"]["nodeAffinity"]
    [term] = affinity["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert term["matchFields"][0]["values"] == ["node-7"]


def test_a_queue_gets_its_labels_and_a_suspended_job() -> None:
    settings = {"jobLabels": {"kueue.x-k8s.io/queue-name": "q"}, "suspend": True}
    flow = workflow(task("a", pod=settings))
    [made] = plan(flow).create
    assert made["metadata"]["labels"]["kueue.x-k8s.io/queue-name"] == "q"
    assert made["spec"]["suspend"] is True
    waiting = job("a")
    waiting["spec"]["suspend"] = True
    entry = entries(plan(flow, jobs={attempt_name("a"): waiting}))["a"]
    assert (entry["state"], entry["reason"]) == ("Queued", "Suspended")
