"""Cancelling and replaying a run, by plan_run."""

import json
from datetime import timedelta
from typing import Any

from podhatch.api.model import JsonObject
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.run.plan import plan_run

from tests.fakes.objects import (
    NOW,
    ago,
    attempt_name,
    job,
    run,
    task,
    workflow,
)
from tests.unit.core.planning import (
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

CANCEL: JsonObject = {"desiredState": "Cancelled"}


PAIR = workflow(task("a"), task("b", "a"))


def test_a_cancelled_run_ends_at_once_and_then_its_pod_is_stopped() -> None:
    begun = plan(PAIR)
    children: dict[str, Any] = {"jobs": {attempt_name("a"): job("a")}}
    made = plan(PAIR, begun.status, spec=CANCEL, **children)
    assert stored(made)["phase"] == "Cancelled"
    assert states(made) == {"a": "Cancelled", "b": "Cancelled"}
    assert (made.delete, made.create) == ((), ())
    assert made.urgent
    after = plan(PAIR, made.status, spec=CANCEL, **children)
    assert after == Plan((Delete("Job", attempt_name("a")),))
    late = plan(PAIR, made.status, spec=CANCEL, results=reported("a", output="1"))
    assert late == Plan()


def test_a_cancelled_run_keeps_the_ends_of_its_tasks_and_records_unrecorded_attempts() -> None:
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


def test_a_replay_of_failed_tasks_keeps_the_others_and_their_outputs() -> None:
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
        jobs={attempt_name("c"): job("c", replay=1)},
    )
    assert stored(good)["phase"] == "Succeeded"
    assert states(good)["mend"] == "Skipped"
    assert [each["reason"] for each in entries(good)["mend"]["attempts"]] == ["Replayed"]


def replay_of(task: str, count: int = 1) -> JsonObject:
    return {"replay": {"count": count, "task": task}}


def test_a_replay_of_a_task_starts_it_and_what_depends_on_it_over() -> None:
    results = reported("a", output="1") | reported("b", output="2") | reported("c") | failed("d")
    flow = workflow(task("a"), task("b", "a"), task("c", "b"), task("d", "a"))
    done = stored(plan(flow, results=results))
    assert done["phase"] == "Failed"
    made = plan(flow, done, spec=replay_of("b"))
    assert jobs(made) == [attempt_name("b", 2)]
    assert states(made) == {"a": "Succeeded", "b": "Queued", "c": "Pending", "d": "Failed"}
    assert entries(made)["a"]["output"] == "1"
    assert (stored(made)["phase"], stored(made)["replays"]) == ("Running", 1)
    assert jobs(plan(flow, done, spec=replay_of("d"))) == [attempt_name("d", 2)]
    assert plan(flow, done, spec=replay_of("none")).create == ()


def test_a_replay_of_a_task_lets_others_go_on_in_their_pods() -> None:
    flow = workflow(task("a"), task("b"), task("c"))
    children: dict[str, Any] = {
        "jobs": {attempt_name(name): job(name) for name in ("a", "b")},
        "results": reported("c", output="3"),
    }
    begun = plan(flow, **children)
    made = plan(flow, begun.status, spec=replay_of("a"), **children)
    assert jobs(made) == [attempt_name("a", 2)]
    assert entries(made)["b"] == entries(begun)["b"]
    after = plan(flow, made.status, spec=replay_of("a"), **children)
    assert after.delete == (Delete("Job", attempt_name("a")),)
    children["results"] |= reported("b", output="2")
    ended = plan(flow, made.status, spec=replay_of("a"), **children)
    assert (states(ended)["b"], ended.create) == ("Succeeded", ())


def test_a_replay_of_a_task_finds_attempts_of_others_that_were_not_noted() -> None:
    flow = workflow(task("a"), task("b", retries=1))
    failing = plan(flow, results=failed("b") | reported("a"))
    assert entries(failing)["b"]["retries"] == 1
    unnoted = {attempt_name("b", 2): job("b", number=2)}
    made = plan(flow, failing.status, spec=replay_of("a"), jobs=unnoted)
    assert jobs(made) == [attempt_name("a", 2)]
    assert (entries(made)["b"]["job"], entries(made)["b"]["attempt"]) == (attempt_name("b", 2), 2)
    after = plan(flow, made.status, spec=replay_of("a"), jobs=unnoted)
    assert Delete("Job", attempt_name("b", 2)) not in after.delete


def test_a_replay_of_a_task_revives_what_was_cancelled_with_the_run() -> None:
    flow = workflow(task("a"), task("b"))
    begun = plan(flow, results=reported("a"))
    cancelled = plan(flow, begun.status, spec=CANCEL)
    assert states(cancelled) == {"a": "Succeeded", "b": "Cancelled"}
    made = plan(flow, cancelled.status, spec=replay_of("a"))
    assert jobs(made) == [attempt_name("a", 2), attempt_name("b", 2)]


TWO_FAILED = workflow(task("a"), task("b"), onFailureTask=HOOK)


def test_the_failure_task_does_not_run_again_for_a_failure_that_a_replay_keeps() -> None:
    done = plan(TWO_FAILED, results=failed("a") | failed("b") | reported("mend", output="1"))
    made = plan(TWO_FAILED, done.status, spec=replay_of("a"))
    assert jobs(made) == [attempt_name("a", 2)]
    assert entries(made)["mend"] == entries(done)["mend"]
    again = plan(TWO_FAILED, made.status, spec=replay_of("a"), results=failed("a", 2))
    assert (stored(again)["phase"], again.create) == ("Failed", ())
    assert entries(again)["mend"] == entries(done)["mend"]


def test_a_failure_task_that_runs_for_a_failure_that_a_replay_keeps_goes_on() -> None:
    children: dict[str, Any] = {
        "jobs": {attempt_name("mend"): job("mend")},
        "results": failed("a") | failed("b"),
    }
    begun = plan(TWO_FAILED, **children)
    made = plan(TWO_FAILED, begun.status, spec=replay_of("a"), **children)
    assert entries(made)["mend"] == entries(begun)["mend"]
    after = plan(TWO_FAILED, made.status, spec=replay_of("a"), **children)
    assert Delete("Job", attempt_name("mend")) not in after.delete


def test_the_failure_task_waits_for_new_failures_if_a_replay_keeps_none() -> None:
    done = plan(TWO_FAILED, results=failed("a") | reported("b") | reported("mend"))
    made = plan(TWO_FAILED, done.status, spec=replay_of("a"))
    assert states(made)["mend"] == "Pending"
    again = plan(TWO_FAILED, made.status, spec=replay_of("a"), results=failed("a", 2))
    assert jobs(again) == [attempt_name("mend", 2)]


def test_a_failure_task_that_is_named_or_was_cancelled_with_its_run_runs_again() -> None:
    ends = failed("a") | failed("b")
    done = plan(TWO_FAILED, results=ends | reported("mend"))
    assert jobs(plan(TWO_FAILED, done.status, spec=replay_of("mend"))) == [attempt_name("mend", 2)]
    begun = plan(TWO_FAILED, results=ends)
    cancelled = plan(TWO_FAILED, begun.status, spec=CANCEL)
    made = plan(TWO_FAILED, cancelled.status, spec=replay_of("a"))
    assert jobs(made) == [attempt_name("a", 2), attempt_name("mend", 2)]


def test_a_replay_is_carried_out_once() -> None:
    done = {**status_of_replayed(), "replays": 1}
    assert plan(REPLAYED, done, spec=replay()) == Plan()
    assert jobs(plan(REPLAYED, done, spec=replay(2))) == [
        attempt_name("a", 2),
        attempt_name("b", 2),
    ]


def test_a_cancelled_run_is_replayed_once_its_desired_state_is_running() -> None:
    made = plan(PAIR, plan(PAIR).status, spec=CANCEL)
    assert plan(PAIR, made.status, spec={**CANCEL, **replay()}) == Plan()
    assert jobs(plan(PAIR, made.status, spec=replay())) == [attempt_name("a", 2)]


def test_the_pod_of_an_attempt_before_the_replay_is_stopped() -> None:
    begun = plan(PAIR)
    children: dict[str, Any] = {"jobs": {attempt_name("a"): job("a")}}
    made = plan(PAIR, begun.status, spec=replay(), **children)
    assert jobs(made) == [attempt_name("a", 2)]
    after = plan(PAIR, made.status, spec=replay(), **children)
    assert Delete("Job", attempt_name("a")) in after.delete


def test_a_replay_of_a_run_that_cannot_start_fails_again() -> None:
    flow = workflow(task("a"), inputSchema={"required": ["n"]})
    first = plan(flow)
    second = plan(flow, first.status, spec=replay())
    assert (stored(second)["phase"], stored(second)["replays"]) == ("Failed", 1)
    assert plan(flow, second.status, spec=replay()) == Plan()


def test_a_finished_run_is_deleted_after_its_time() -> None:
    flow = workflow(task("a"), ttlSecondsAfterFinished=5)
    done = plan(flow, results=reported("a", finishedAt=ago(0)))
    assert plan(flow, done.status).requeue_at == NOW + timedelta(seconds=5)
    assert plan(flow, done.status, later=5).delete == (Delete("WorkflowRun", "flow-1"),)
    kept = plan_run(
        Observed(run({"phase": "Failed", "finishedAt": ago(9)})),
        Defaults("runner", run_ttl_seconds=9),
        NOW,
    )
    assert kept.delete == (Delete("WorkflowRun", "flow-1"),)


def test_the_status_of_a_large_run_stays_small() -> None:
    names = [f"t{number}" for number in range(500)]
    flow = workflow(*(task(name, retries=1) for name in names))
    error: JsonObject = {"type": "E", "message": "m" * 2000, "traceback": "x" * 8000}
    results: JsonObject = {}
    for name in names:
        results |= reported(name, "Failed", error=error)
        results |= reported(name, "Failed", 2, error=error)
    half = dict(list(results.items())[:500])
    begun = {attempt_name(name): job(name) for name in names[250:]}
    first = plan(flow, plan(flow, results=half).status, results=half, jobs=begun)
    made = plan(flow, plan(flow, first.status, results=results).status, results=results)
    assert len(json.dumps(made.status)) < 256 * 1024
    old = {name: entry for name, entry in entries(first).items() if entry["state"] == "Failed"}
    assert {name: entries(made)[name] for name in old} == old
    assert entries(made)["t0"]["error"]["message"] == "m" * 2000
    assert len(entries(made)["t499"]["error"]["message"].encode()) <= 40
