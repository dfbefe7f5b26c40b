"""What a run does between start and end, by plan_run: retries, conditions, hooks, wishes."""

import json
from datetime import timedelta
from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch_operator.core.decision import Child, Extension, Plan
from podhatch_operator.core.observed import Defaults, Observed
from podhatch_operator.core.plan import plan_run
from podhatch_operator.core.revision import current_revision

from tests.fakes.objects import (
    DEFAULTS,
    NOW,
    ago,
    attempt_name,
    event,
    job,
    pod,
    report,
    result,
    run,
    task,
    terminated,
    workflow,
)

ERROR: JsonObject = {"type": "ValueError", "message": "bad"}
HOOK: JsonObject = {"name": "mend", "python": "m:mend"}
REPORT: JsonObject = {"name": "tell", "python": "m:tell"}
SKIP: JsonObject = {"parent": {"name": "a", "expression": "output.skip"}}


def plan(
    flow: JsonObject,
    status: JsonObject | None = None,
    *,
    later: float = 0,
    spec: JsonObject | None = None,
    events: tuple[JsonObject, ...] = (),
    **children: Any,
) -> Plan:
    """Plan a run whose workflow is pinned."""
    revision = current_revision(flow)
    pinned = {
        "metadata": {"name": revision.name, "labels": {"podhatch.dev/workflow": "flow"}},
        "data": {"spec": flow["spec"]},
    }
    for each in children.get("jobs", {}).values():
        each["metadata"]["labels"]["podhatch.dev/revision"] = revision.name
    raw = run(status, **(spec or {}))
    observed = Observed(raw, flow, {revision.name: pinned}, events=events, **children)
    return plan_run(observed, DEFAULTS, NOW + timedelta(seconds=later))


def stored(made: Plan) -> JsonObject:
    assert made.status is not None
    return made.status


def entries(made: Plan) -> dict[str, JsonObject]:
    return {entry["name"]: entry for entry in stored(made)["tasks"]}


def states(made: Plan) -> dict[str, str]:
    return {name: entry["state"] for name, entry in entries(made).items()}


def jobs(made: Plan) -> list[str]:
    return [item["metadata"]["name"] for item in made.create if item["kind"] == "Job"]


def variable(made: Plan, name: str) -> str | None:
    env = made.create[-1]["spec"]["template"]["spec"]["containers"][0]["env"]
    return next((item["value"] for item in env if item["name"] == name), None)


def reported(
    name: str, outcome: str = "Succeeded", number: int = 1, **fields: object
) -> JsonObject:
    spec = report(name, outcome, **fields) | {"attempt": number}
    return {attempt_name(name, number): {"metadata": {"name": "r"}, "spec": spec}}


def failed(name: str, number: int = 1, **fields: object) -> JsonObject:
    return reported(name, "Failed", number, error=ERROR, finishedAt=ago(0), **fields)


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


def test_without_a_factor_the_retry_starts_at_once() -> None:
    made = plan(workflow(task("a", retries=1)), results=failed("a"))
    assert jobs(made) == [attempt_name("a", 2)]


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
    assert jobs(made) == [attempt_name("a", 2)]


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
    assert made.extend == (Extension(attempt_name("a"), 300 + 60 + 91 + 60),)
    children["jobs"][attempt_name("a")]["spec"]["activeDeadlineSeconds"] = 511
    assert plan(flow, **children).extend == ()
    del children["jobs"]
    assert plan(flow, **children).extend == ()


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


def test_an_event_lets_a_task_go_and_its_memory_outlives_it() -> None:
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
    assert entry["error"]["message"] == "'output.skip' failed: Key not found in map : \"skip\""


def test_a_condition_whose_output_is_gone_fails_its_task() -> None:
    flow = workflow(task("a"), task("b", "a", skipIf=[SKIP]))
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


# Wishes of the user.

CANCEL: JsonObject = {"desiredState": "Cancelled"}
PAIR = workflow(task("a"), task("b", "a"))


def test_a_cancel_is_terminal_at_once_and_then_stops_the_pod() -> None:
    begun = plan(PAIR)
    children: dict[str, Any] = {"jobs": {attempt_name("a"): job("a")}}
    made = plan(PAIR, begun.status, spec=CANCEL, **children)
    assert stored(made)["phase"] == "Cancelled"
    assert states(made) == {"a": "Cancelled", "b": "Cancelled"}
    assert (made.delete, made.create) == ((), ())
    assert made.urgent
    after = plan(PAIR, made.status, spec=CANCEL, **children)
    assert after == Plan(delete=(Child("Job", attempt_name("a")),))
    late = plan(PAIR, made.status, spec=CANCEL, results=reported("a", output="1"))
    assert late == Plan()


def test_a_cancel_keeps_what_had_ended_and_finds_what_was_not_noted() -> None:
    done = plan(PAIR, results=reported("a"))
    made = plan(PAIR, done.status, spec=CANCEL)
    assert states(made) == {"a": "Succeeded", "b": "Cancelled"}
    unnoted = plan(PAIR, spec=CANCEL, jobs={attempt_name("a"): job("a")})
    assert entries(unnoted)["a"]["job"] == attempt_name("a")
    settled = plan(PAIR, done.status, spec=CANCEL, jobs={attempt_name("a"): job("a")})
    assert states(settled)["a"] == "Succeeded"


def test_a_run_that_has_not_started_can_be_cancelled() -> None:
    assert stored(plan(PAIR, spec=CANCEL))["phase"] == "Cancelled"


def replay(count: int = 1, *, failed_only: bool = False) -> JsonObject:
    return {"replay": {"count": count, "failedOnly": failed_only}}


REPLAYED = workflow(task("a"), task("b"), task("c", "b"), onFailureTask=HOOK)


def status_of_replayed() -> JsonObject:
    results = reported("a", output="1") | failed("b") | reported("mend")
    return stored(plan(REPLAYED, results=results))


def test_a_replay_starts_all_tasks_over_with_new_attempts() -> None:
    made = plan(REPLAYED, status_of_replayed(), spec=replay())
    assert jobs(made) == [attempt_name("a", 2), attempt_name("b", 2)]
    assert stored(made)["phase"] == "Running"
    assert stored(made)["replays"] == 1
    assert [item["type"] for item in stored(made)["conditions"]] == ["Accepted"]
    assert entries(made)["mend"]["state"] == "Pending"
    assert entries(made)["a"]["attempts"][0]["reason"] == "Replayed"
    assert variable(made, "PODHATCH_RETRY_COUNT") == "1"


def test_a_replay_of_what_failed_keeps_the_rest_and_its_outputs() -> None:
    made = plan(REPLAYED, status_of_replayed(), spec=replay(failed_only=True))
    assert jobs(made) == [attempt_name("b", 2)]
    assert entries(made)["a"]["output"] == "1"
    assert states(made)["mend"] == "Pending"
    again = failed("b", 2) | failed("b")
    twice = plan(REPLAYED, made.status, spec=replay(failed_only=True), results=again)
    assert jobs(twice) == [attempt_name("mend", 2)]
    good = plan(
        REPLAYED,
        made.status,
        spec=replay(failed_only=True),
        results=reported("b", number=2) | reported("c"),
    )
    assert stored(good)["phase"] == "Succeeded"
    assert states(good)["mend"] == "Skipped"
    assert [each["reason"] for each in entries(good)["mend"]["attempts"]] == ["Replayed"]


def test_a_replay_is_carried_out_once() -> None:
    done = {**status_of_replayed(), "replays": 1}
    assert plan(REPLAYED, done, spec=replay()) == Plan()
    assert jobs(plan(REPLAYED, done, spec=replay(2))) == [
        attempt_name("a", 2),
        attempt_name("b", 2),
    ]


def test_a_cancelled_run_stays_so_until_it_is_wanted_again() -> None:
    made = plan(PAIR, plan(PAIR).status, spec=CANCEL)
    assert plan(PAIR, made.status, spec={**CANCEL, **replay()}) == Plan()
    assert jobs(plan(PAIR, made.status, spec=replay())) == [attempt_name("a", 2)]


def test_the_pod_of_an_attempt_that_was_replayed_away_is_stopped() -> None:
    begun = plan(PAIR)
    children: dict[str, Any] = {"jobs": {attempt_name("a"): job("a")}}
    made = plan(PAIR, begun.status, spec=replay(), **children)
    assert jobs(made) == [attempt_name("a", 2)]
    after = plan(PAIR, made.status, spec=replay(), **children)
    assert Child("Job", attempt_name("a")) in after.delete


def test_a_replay_of_a_run_that_cannot_start_ends_too() -> None:
    flow = workflow(task("a"), inputSchema={"required": ["n"]})
    first = plan(flow)
    second = plan(flow, first.status, spec=replay())
    assert (stored(second)["phase"], stored(second)["replays"]) == ("Failed", 1)
    assert plan(flow, second.status, spec=replay()) == Plan()


def test_the_cleaning_up_of_a_finished_run() -> None:
    flow = workflow(task("a"), ttlSecondsAfterFinished=5)
    done = plan(flow, results=reported("a", finishedAt=ago(0)))
    assert plan(flow, done.status).requeue_at == NOW + timedelta(seconds=5)
    assert plan(flow, done.status, later=5).delete == (Child("WorkflowRun", "flow-1"),)
    kept = plan_run(
        Observed(run({"phase": "Failed", "finishedAt": ago(9)})),
        Defaults("runner", run_ttl_seconds=9),
        NOW,
    )
    assert kept.delete == (Child("WorkflowRun", "flow-1"),)


def test_large_runs_keep_their_status_small() -> None:
    names = [f"t{number}" for number in range(500)]
    flow = workflow(*(task(name, retries=1) for name in names))
    error: JsonObject = {"type": "E", "message": "m" * 2000, "traceback": "x" * 8000}
    results: JsonObject = {}
    for name in names:
        results |= reported(name, "Failed", error=error)
        results |= reported(name, "Failed", 2, error=error)
    first = plan(flow, results=dict(list(results.items())[:500]))
    made = plan(flow, first.status, results=results)
    assert len(json.dumps(made.status)) < 256 * 1024
    old = {name: entry for name, entry in entries(first).items() if entry["state"] == "Failed"}
    assert {name: entries(made)[name] for name in old} == old
    assert entries(made)["t0"]["error"]["message"] == "m" * 2000
    assert len(entries(made)["t499"]["error"]["message"]) == 40
