"""Durable tasks: what they hold while they wait, and how they go on."""

import json
import time
from datetime import UTC, datetime

from podhatch.api import labels

from tests.e2e.conftest import StartDurable
from tests.e2e.durable_runs import (
    children_of,
    entry_of,
    output_of,
    parked,
    pods_of,
    push,
    without_pods,
)
from tests.e2e.shipped import event
from tests.kube import OPERATOR_NAMESPACE, Namespace, eventually, kubectl, operator_pod, tasks

PARKED = 50


def patch(namespace: Namespace, run: str, **spec: object) -> None:
    namespace.kubectl("patch", "wfr", run, "--type=merge", f"-p={json.dumps({'spec': spec})}")


def test_a_sleep_past_the_eviction_holds_no_pod(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("nap", {"seconds": 12})
    entry = parked(namespace, run)
    assert entry["reason"] == "Evicted"
    assert "sleeps until" in entry["message"]
    assert "job" not in entry
    without_pods(namespace, run)
    [log] = namespace.list("dlog")
    wakes_at = datetime.fromisoformat(log["status"]["nextAt"])
    seen: list[list[str]] = []
    while True:
        names = pods_of(namespace, run)
        if datetime.now(UTC) >= wakes_at:
            break
        seen.append(names)
        time.sleep(0.1)
    assert len(seen) > 5
    assert not any(seen), "there was a pod while the task slept"
    output = output_of(namespace, run)
    assert 12 <= output["slept"] < 12 + 8
    assert (output["attempt"], output["retries"]) == (1, 0)
    assert output["invocation"] == 2
    entry = entry_of(namespace, run)
    assert entry["resumes"] == 1
    assert "retries" not in entry
    assert "disruptions" not in entry
    [log] = namespace.list("dlog")
    assert [call["kind"] for call in log["spec"]["calls"]] == ["Memo", "WaitFor", "Memo"]
    assert log["spec"]["calls"][1]["label"] == "a nap"


def test_a_group_is_over_by_its_event_or_by_its_time(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [by_event] = start_durable("either", {"key": "said", "seconds": 600})
    [by_time] = start_durable("either", {"key": "never", "seconds": 6})
    parked(namespace, by_event)
    namespace.apply(event("e1", "said", payload={"n": 1}), event("e2", "said", payload={"n": 2}))
    assert output_of(namespace, by_event) == {"CREATE": {"said": [{"n": 2}]}}
    assert [*output_of(namespace, by_time)["CREATE"]] == ["late"]


def test_fifty_parked_tasks_outlive_an_operator(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    runs = start_durable("wait", *[{"key": "all"}] * PARKED)
    eventually(lambda: len(waiting_runs(namespace)) == PARKED, 400, f"{PARKED} tasks without a pod")
    eventually(lambda: not namespace.list("pods"), 60, "all pods to go")
    leader = operator_pod()
    now = ("--grace-period=0", "--force", "--wait=false")
    kubectl("-n", OPERATOR_NAMESPACE, "delete", "pod", leader, *now)
    namespace.apply(event("e1", "all", payload={"n": 1}))
    for run in runs:
        assert output_of(namespace, run, seconds=300)["payload"] == {"n": 1}
        entry = entry_of(namespace, run)
        assert (entry["attempt"], entry["resumes"]) == (2, 1)
        assert "disruptions" not in entry
    assert len(namespace.list("pods")) == PARKED, "a task was resumed by more than one pod"


def waiting_runs(namespace: Namespace) -> list[str]:
    """Return the runs of which a task waits without a pod."""
    return [
        run["metadata"]["name"]
        for run in namespace.list("wfr")
        if any(each["state"] == "Waiting" for each in tasks(run).values())
    ]


def test_a_replayed_parent_finds_its_children(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("parent", {"seconds": 5, "parts": 3})
    parked(namespace, run)
    output = output_of(namespace, run)
    assert output["squares"] == [0, 1, 4, 100, 121]
    assert (output["attempt"], output["retries"]) == (1, 0)
    assert len(children_of(namespace, run)) == 5, "each child once, although the parent was resumed"


def test_the_end_of_a_wait_that_the_code_has_cancelled_starts_no_pod(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("gives_up", {"seconds": 6})
    parked(namespace, run)

    def is_told() -> bool:
        return bool(entry_of(namespace, run)["message"] == "waits for event go")

    eventually(is_told, 5, "the sleep to be told no more")

    def is_over() -> bool:
        [log] = namespace.list("dlog")
        assert log["spec"]["cancelled"] == [1]
        return any("overAt" in each for each in log["status"].get("waits", []))

    eventually(is_over, 30, "the end of the sleep")
    time.sleep(3)
    assert entry_of(namespace, run)["state"] == "Waiting"
    assert not pods_of(namespace, run)
    namespace.apply(event("e1", "go", payload={"n": 1}))
    output = output_of(namespace, run)
    assert (output["payload"], output["invocation"]) == ({"n": 1}, 2)


def test_another_call_in_a_replay_is_noticed(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("fickle", {"seconds": 4})
    namespace.wait(run, "Failed", 90)
    error = entry_of(namespace, run)["error"]
    assert error["type"] == "NonDeterminismError"
    assert "call 2" in error["message"]


def test_a_parked_run_lets_another_have_its_slot_and_takes_it_again(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [first] = start_durable("turn", {"key": "go", "seconds": 1})
    parked(namespace, first)
    [second] = start_durable("turn", {"key": "", "seconds": 10})
    namespace.wait(second, "Running", 60)
    push(namespace, "e1", "go")
    told = f'1 of 1 slots of workflow "turn" is taken by {second}'
    eventually(
        lambda: entry_of(namespace, first).get("message") == told,
        30,
        "the first run to say why it waits",
    )
    before, after = output_of(namespace, second), output_of(namespace, first)
    assert before["ended"] < after["began"] < before["ended"] + 10
    assert entry_of(namespace, first)["resumes"] == 1


def test_a_cancel_of_a_parked_task_needs_no_pod(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("wait", {"key": "never"})
    parked(namespace, run)
    without_pods(namespace, run)
    before = entry_of(namespace, run)["attempt"]
    patch(namespace, run, desiredState="Cancelled")
    namespace.wait(run, "Cancelled", 5)
    namespace.apply(event("e1", "never"))
    time.sleep(3)
    entry = entry_of(namespace, run)
    assert (entry["state"], entry["attempt"]) == ("Cancelled", before)
    assert not pods_of(namespace, run)


def test_resumes_count_neither_as_attempts_nor_as_retries(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("twice", {"seconds": 4})
    output = output_of(namespace, run)
    assert (output["attempt"], output["retries"]) == (2, 1)
    entry = entry_of(namespace, run)
    assert entry["retries"] == 1
    assert entry["resumes"] == 2
    assert entry["attempt"] == 4, "two attempts, each of which was resumed once"
    assert "disruptions" not in entry


def test_a_replay_keeps_the_time_of_waking(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("nap", {"seconds": 15})
    parked(namespace, run)
    patch(namespace, run, desiredState="Cancelled")
    namespace.wait(run, "Cancelled", 5)
    time.sleep(5)
    patch(namespace, run, desiredState="Running", replay={"count": 1})
    output = output_of(namespace, run)
    assert 15 <= output["slept"] < 15 + 7, "the sleep began anew"
    patch(namespace, run, replay={"count": 2})
    eventually(
        lambda: namespace.get("wfr", run)["status"].get("replays") == 2, 30, "the second replay"
    )
    again = output_of(namespace, run)
    assert again["slept"] == output["slept"], "the log of a run that was over is not read"


def test_a_pod_writes_its_own_log_only(namespace: Namespace, start_durable: StartDurable) -> None:
    [victim] = start_durable("wait", {"key": "never"})
    parked(namespace, victim)
    [log] = namespace.list("dlog", f"{labels.RUN}={victim}")
    name = log["metadata"]["name"].rpartition("-")[0]
    [thief] = start_durable("thief", {"key": name})
    [task, *told] = output_of(namespace, thief)
    assert task == "wait", "reading is allowed"
    assert set(told) <= {"403", "422"}, told
    assert namespace.get("dlog", f"{name}-0")["spec"] == log["spec"]
