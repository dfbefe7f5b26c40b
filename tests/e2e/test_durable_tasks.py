"""Durable tasks: what they hold while they wait, what wakes them, and what a killed pod costs."""

import json
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject

from tests.e2e.conftest import RunScript
from tests.e2e.shipped import event
from tests.kube import OPERATOR_NAMESPACE, Namespace, eventually, kubectl, operator_pod, tasks

DURABLE = Path(__file__).parent / "flows" / "durable.py"
PARKED = 50

Start = Callable[..., list[str]]


@pytest.fixture
def start(run_script: RunScript) -> Start:
    """Start a run of a task of flows/durable.py for each input, and return their names."""

    def start(task: str, *inputs: JsonObject) -> list[str]:
        done = run_script(DURABLE, task, json.dumps(inputs or [{}]))
        assert done.code == 0, done.err
        names: list[str] = json.loads(done.out)
        return names

    return start


def entry_of(namespace: Namespace, run: str) -> JsonObject:
    """Return the status of a run's only task."""
    [entry] = tasks(namespace.get("wfr", run)).values()
    return entry


def parked(namespace: Namespace, run: str, seconds: float = 60) -> JsonObject:
    """Wait until the run's task waits without a pod, and return its entry."""

    def waiting() -> JsonObject | None:
        found = [*tasks(namespace.get("wfr", run)).values()]
        return found[0] if found and found[0]["state"] == "Waiting" else None

    return eventually(waiting, seconds, f"{run} to wait without a pod")


def pods_of(namespace: Namespace, run: str) -> list[str]:
    """Return the names of the Jobs and pods of a run."""
    found = namespace.list("jobs,pods", f"{labels.RUN}={run}")
    return [each["metadata"]["name"] for each in found]


def without_pods(namespace: Namespace, run: str) -> None:
    """Wait until nothing of the run's pods is left."""
    eventually(lambda: not pods_of(namespace, run), 30, f"the pod of {run} to go")


def output_of(namespace: Namespace, run: str, seconds: int = 90) -> JsonObject:
    """Wait until the run has succeeded, and return the output of its only task."""
    try:
        [entry] = tasks(namespace.wait(run, "Succeeded", seconds)).values()
    except AssertionError as error:
        known = namespace.kubectl("get", "dlog,wfe", "-o", "yaml")
        raise AssertionError(f"{error}\n{known}") from None
    output: JsonObject = json.loads(entry["output"])
    return output


def patch(namespace: Namespace, run: str, **spec: object) -> None:
    namespace.kubectl("patch", "wfr", run, "--type=merge", f"-p={json.dumps({'spec': spec})}")


def push(namespace: Namespace, name: str, key: str, **payload: object) -> datetime:
    """Push an event as the SDK does, and return when."""
    pushed = datetime.now(UTC)
    namespace.apply(event(name, key, payload=payload, seenAt=pushed.isoformat()))
    return pushed


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_a_sleep_past_the_eviction_holds_no_pod(namespace: Namespace, start: Start) -> None:
    [run] = start("nap", {"seconds": 12})
    entry = parked(namespace, run)
    assert entry["reason"] == "Evicted"
    assert "sleeps until" in entry["message"]
    assert "job" not in entry
    without_pods(namespace, run)
    [log] = namespace.list("dlog")
    wakes_at = moment(log["status"]["nextAt"])
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


def test_an_event_wakes_a_task_within_a_second_and_the_start_of_a_pod(
    namespace: Namespace, start: Start
) -> None:
    [run] = start("wait", {"key": "paid"})
    entry = parked(namespace, run)
    assert "waits for event paid" in entry["message"]
    without_pods(namespace, run)
    pushed = push(namespace, "e1", "paid", n=7)
    output = output_of(namespace, run)
    assert output["payload"] == {"n": 7}
    created = moment(namespace.get("wfr", run)["metadata"]["creationTimestamp"])
    pod_start = moment(output["began"]) - created
    # A creation is known to the second.
    assert moment(output["woken"]) - pushed < timedelta(seconds=1) + pod_start + timedelta(
        seconds=1
    )
    assert entry_of(namespace, run)["resumes"] == 1


def test_an_event_wakes_a_task_in_its_pod_within_a_second(
    namespace: Namespace, start: Start
) -> None:
    [run] = start("stay", {"key": "paid"})
    eventually(lambda: any(log["spec"]["calls"] for log in namespace.list("dlog")), 60, "the call")
    [pod] = namespace.list("pods")
    pushed = push(namespace, "e1", "paid", n=8)
    output = output_of(namespace, run)
    assert output["payload"] == {"n": 8}
    assert moment(output["woken"]) - pushed < timedelta(seconds=1)
    assert [each["metadata"]["name"] for each in namespace.list("pods")] == [
        pod["metadata"]["name"]
    ]
    assert "resumes" not in entry_of(namespace, run)


def test_a_group_is_over_by_its_event_or_by_its_time(namespace: Namespace, start: Start) -> None:
    [by_event] = start("either", {"key": "said", "seconds": 600})
    [by_time] = start("either", {"key": "never", "seconds": 6})
    parked(namespace, by_event)
    namespace.apply(event("e1", "said", payload={"n": 1}), event("e2", "said", payload={"n": 2}))
    assert output_of(namespace, by_event) == {"CREATE": {"said": [{"n": 2}]}}
    assert [*output_of(namespace, by_time)["CREATE"]] == ["late"]


def test_fifty_parked_tasks_outlive_an_operator(namespace: Namespace, start: Start) -> None:
    runs = start("wait", *[{"key": "all"}] * PARKED)
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


def test_a_pod_that_dies_around_a_write_costs_nothing_but_an_attempt(
    namespace: Namespace, start: Start
) -> None:
    [whole] = start("program", {"seconds": 0.1})
    expected = output_of(namespace, whole)
    writes = expected.pop("writes")
    assert writes >= 6
    children = len(children_of(namespace, whole))
    assert children == 2
    points = [(number, when) for number in range(1, writes + 1) for when in ("before", "after")]
    deaths = [
        *([(1, number, when)] for number, when in points),
        *([(1, 2, "after"), (2, 1, when)] for when in ("before", "after")),
    ]
    runs = start("program", *({"seconds": 0.1, "deaths": each} for each in deaths))
    died = 0
    for run, each in zip(runs, deaths, strict=True):
        output = output_of(namespace, run, seconds=300)
        del output["writes"]
        assert output == expected, f"{run} died at {each}"
        assert len(children_of(namespace, run)) == children, f"{run} died at {each}"
        died += entry_of(namespace, run).get("retries", 0)
    assert died >= len(points), "the pods did not die"


def children_of(namespace: Namespace, run: str) -> list[str]:
    """Return the child runs of a run."""
    return [
        each["metadata"]["name"]
        for each in namespace.list("wfr")
        if each["spec"].get("parent", {}).get("run") == run
    ]


def test_a_replayed_parent_finds_its_children(namespace: Namespace, start: Start) -> None:
    [run] = start("parent", {"seconds": 5, "parts": 3})
    parked(namespace, run)
    output = output_of(namespace, run)
    assert output["squares"] == [0, 1, 4, 100, 121]
    assert (output["attempt"], output["retries"]) == (1, 0)
    assert len(children_of(namespace, run)) == 5, "each child once, although the parent was resumed"


def test_another_call_in_a_replay_is_noticed(namespace: Namespace, start: Start) -> None:
    [run] = start("fickle", {"seconds": 4})
    namespace.wait(run, "Failed", 90)
    error = entry_of(namespace, run)["error"]
    assert error["type"] == "NonDeterminismError"
    assert "call 2" in error["message"]


def test_a_parked_run_lets_another_have_its_slot_and_takes_it_again(
    namespace: Namespace, start: Start
) -> None:
    [first] = start("turn", {"key": "go", "seconds": 1})
    parked(namespace, first)
    [second] = start("turn", {"key": "", "seconds": 10})
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


def test_a_cancel_of_a_parked_task_needs_no_pod(namespace: Namespace, start: Start) -> None:
    [run] = start("wait", {"key": "never"})
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
    namespace: Namespace, start: Start
) -> None:
    [run] = start("twice", {"seconds": 4})
    output = output_of(namespace, run)
    assert (output["attempt"], output["retries"]) == (2, 1)
    entry = entry_of(namespace, run)
    assert entry["retries"] == 1
    assert entry["resumes"] == 2
    assert entry["attempt"] == 4, "two attempts, each of which was resumed once"
    assert "disruptions" not in entry


def test_a_replay_keeps_the_time_of_waking(namespace: Namespace, start: Start) -> None:
    [run] = start("nap", {"seconds": 15})
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


def test_a_pod_writes_its_own_log_only(namespace: Namespace, start: Start) -> None:
    [victim] = start("wait", {"key": "never"})
    parked(namespace, victim)
    [log] = namespace.list("dlog", f"{labels.RUN}={victim}")
    name = log["metadata"]["name"].rpartition("-")[0]
    [thief] = start("thief", {"key": name})
    [task, *told] = output_of(namespace, thief)
    assert task == "wait", "reading is allowed"
    assert set(told) <= {"403", "422"}, told
    assert namespace.get("dlog", f"{name}-0")["spec"] == log["spec"]
