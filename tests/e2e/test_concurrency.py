"""Concurrency limits: overlaps by the pods' own clocks, while the operator is killed."""

import json
from collections import defaultdict
from datetime import datetime
from statistics import mean

import pytest

from tests.e2e.killing import operator_killed
from tests.kube import (
    Namespace,
    eventually,
    run_manifest,
    shell,
    tasks,
    workflow_manifest,
)

RUNS, KEYS, KILLS = 100, 10, 3
CLOCK = 'from=$(date +%s.%N); sleep 0.5; echo "[$from, $(date +%s.%N)]" > $PODHATCH_OUTPUT'


def most_at_once(spans: list[tuple[float, float]]) -> int:
    """Return how many of these spans of time overlap at most."""
    steps = sorted([(begun, 1) for begun, _ in spans] + [(ended, -1) for _, ended in spans])
    running = highest = 0
    for _, step in steps:
        running += step
        highest = max(highest, running)
    return highest


@pytest.mark.parametrize("slots", [1, 3])
def test_no_key_has_more_runs_than_slots_while_the_operator_is_killed(
    namespace: Namespace, slots: int
) -> None:
    limit = {"expression": "input.tenant", "maxRuns": slots}
    namespace.apply(workflow_manifest("jobs", shell("work", CLOCK), concurrency=[limit]))
    runs = [
        run_manifest(f"jobs-{number}", "jobs", input={"tenant": f"tenant-{number % KEYS}"})
        for number in range(RUNS)
    ]
    with operator_killed(KILLS):
        namespace.apply({"apiVersion": "v1", "kind": "List", "items": runs})
    spans: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    for run in runs:
        done = namespace.wait(run["metadata"]["name"], "Succeeded", seconds=180)
        begun, ended = json.loads(tasks(done)["work"]["output"])
        spans[done["spec"]["input"]["tenant"]].append((begun, ended))
    assert len(spans) == KEYS
    assert max(map(most_at_once, spans.values())) <= slots


def test_a_freed_slot_is_used_within_a_second(namespace: Namespace) -> None:
    work = {"name": "work", "python": "platform:python_version"}
    namespace.apply(workflow_manifest("one", work, concurrency=[{"maxRuns": 1}]))
    for number in range(8):
        namespace.run(f"one-{number}", "one")
    done = [namespace.wait(f"one-{number}", "Succeeded")["status"] for number in range(8)]
    ended = sorted(_moment(each["finishedAt"]) for each in done)
    begun = sorted(_moment(each["startedAt"]) for each in done)
    gaps = [
        (next_one - last).total_seconds()
        for last, next_one in zip(ended[:-1], begun[1:], strict=True)
    ]
    # Jobs are dated to the second: a run starts half a second later than it seems, on average.
    assert min(gaps) > -1
    assert mean(gaps) + 0.5 < 1


def test_a_waiting_run_says_who_holds_its_slot(namespace: Namespace) -> None:
    limit = {"expression": "input.tenant", "maxRuns": 1}
    namespace.apply(workflow_manifest("slow", shell("nap", "sleep 600"), concurrency=[limit]))
    for name in ("slow-1", "slow-2"):
        namespace.run(name, "slow", input={"tenant": "acme"})
        if name == "slow-1":
            namespace.wait(name, "Running")
    told = '1 of 1 slots of "acme" is taken by slow-1'
    eventually(
        lambda: namespace.get("wfr", "slow-2").get("status", {}).get("message") == told,
        30,
        "the run to say why it waits",
    )


def test_a_newer_run_cancels_the_one_in_progress(namespace: Namespace) -> None:
    limit = {"maxRuns": 1, "limitStrategy": "CANCEL_IN_PROGRESS"}
    namespace.apply(workflow_manifest("latest", shell("nap", "sleep 600"), concurrency=[limit]))
    namespace.run("latest-1", "latest")
    namespace.wait("latest-1", "Running")
    namespace.run("latest-2", "latest")
    assert "latest-2" in namespace.wait("latest-1", "Cancelled")["status"]["message"]
    namespace.wait("latest-2", "Running")


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text)
