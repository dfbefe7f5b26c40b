import codecs
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from podhatch.api.run import WorkflowRun
from podhatch.cli.rendering.format import in_ascii
from podhatch.cli.rendering.tree import run_tree

from tests.unit.cli.runs import DIAMOND, at, run_of, succeeded, task, text_of


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def golden(name: str) -> str:
    return (Path(__file__).parent / "golden" / f"{name}.txt").read_text().rstrip("\n")


def test_a_running_diamond_is_drawn_with_its_branches():
    run = run_of(
        "Running",
        succeeded("load", 0.4, 1.6, '{"rows":  360}'),
        task("revenue", "Running", attempt=1, node="node-1", queuedAt=at(1.7), startedAt=at(2.0)),
        task(
            "fraud",
            "Queued",
            attempt=1,
            queuedAt=at(1.7),
            reason="ImagePull",
            message="image nope:1 cannot be pulled: not found. Check its name",
        ),
        task("report", "Pending", reason="WaitingForParents", message="waits for revenue, fraud"),
        task("publish", "Pending", reason="WaitingForParents", message="waits for report"),
        message="task fraud: image nope:1 cannot be pulled",
    )
    assert text_of(run_tree(run, DIAMOND, at(4.0))) == golden("running-diamond")


def test_a_failed_run_ends_with_the_traceback_from_the_pod():
    run = run_of(
        "Failed",
        task(
            "charge",
            "Failed",
            attempt=2,
            node="node-1",
            startedAt=at(0.5),
            finishedAt=at(0.8),
            reason="TaskFailed",
            message="ValueError: no \x1b[31mmoney",
            error={
                "type": "ValueError",
                "message": "no money",
                "traceback": 'Traceback (most recent call last):\n  File "orders.py", line 7\n'
                "ValueError: no money\n",
            },
        ),
        task(
            "ship",
            "Cancelled",
            reason="ParentFailed",
            message="task charge did not succeed",
            finishedAt=at(0.8),
        ),
        message="task charge: ValueError: no money",
        finishedAt=at(0.9),
    )
    assert text_of(run_tree(run, {"ship": ["charge"]}, at(99))) == golden("failed")


def test_branches_and_long_outputs_are_drawn_in_ascii():
    run = run_of(
        "Succeeded",
        succeeded("a", 0, 1, f'"{"x" * 80}"'),
        succeeded("a2", 1, 2),
        task("b", "Succeeded", attempt=1, outputRef="orders-1-b-xyz-1"),
        succeeded("end", 2, 3, "7"),
        finishedAt=at(3),
    )
    parents = {"a2": ["a"], "end": ["a2", "b"]}
    codecs.register_error("podhatch", in_ascii)
    picture = text_of(run_tree(run, parents, at(50))).encode("ascii", "podhatch")
    assert picture.decode() == golden("branches-ascii")
    narrow = text_of(run_tree(run, parents, at(50), wide=False), width=60)
    assert narrow == golden("branches-narrow")


def test_a_run_without_status_is_pending():
    assert text_of(run_tree(run_of(None), {}, at(1))) == golden("pending")


def test_a_run_that_nobody_serves_says_so():
    picture = text_of(run_tree(run_of(None), {}, at(11)))
    assert "Message:    no operator has picked up this run: check that podhatch" in picture


def test_many_parents_are_counted():
    names = [f"t{number}" for number in range(5)]
    run = run_of("Running", *(task(name, "Pending") for name in names), task("all", "Pending"))
    assert "◷ all ← 5 tasks" in text_of(run_tree(run, {"all": names}, at(1)))


def test_text_in_brackets_is_no_markup():
    run = run_of("Succeeded", succeeded("a", 0, 1, '["[red]", "[/]"]'), finishedAt=at(1))
    assert '["[red]", "[/]"]' in text_of(run_tree(run, {}, at(1)))


def test_retries_lost_pods_and_skipped_tasks_are_shown():
    lost = {
        "attempt": 1,
        "reason": "Evicted",
        "message": "the node was low on memory",
        "node": "node-1",
        "startedAt": at(0.5),
        "finishedAt": at(1.7),
        "exitCode": 137,
    }
    failed = {"attempt": 2, "reason": "ExitCode", "finishedAt": at(2), "exitCode": 3}
    run = run_of(
        "Running",
        task("check", "Skipped", reason="SkipIf", message="skipIf holds: 5s to pass"),
        task(
            "charge",
            "Queued",
            attempt=2,
            retries=1,
            disruptions=1,
            reason="Retrying",
            message="retry 1 of 3 after: exit code 3",
            nextAttemptAt=at(6),
            attempts=[lost, failed],
        ),
        task("ship", "Pending", reason="WaitingForConditions", message="waits for event paid"),
    )
    assert text_of(run_tree(run, {"ship": ["charge"]}, at(2))) == golden("retries")
    assert "(again in" not in text_of(run_tree(run, {}, at(7)))


@pytest.mark.parametrize(
    ("spec", "origin"),
    [
        ({"parent": {"run": "up-1", "task": "a", "job": "j", "index": 0}}, "task a of run up-1"),
        ({"trigger": {"event": {"id": "e-1", "key": "order:paid"}}}, "event order:paid (e-1)"),
        (
            {"trigger": {"cron": {"cron": "nightly", "job": "j", "scheduledAt": at(0)}}},
            "cron nightly",
        ),
    ],
)
def test_what_started_a_run_is_told(spec: dict[str, object], origin: str):
    raw = {"metadata": {"name": "r"}, "spec": {"workflow": "w", **spec}}
    run = WorkflowRun.model_validate(raw)
    assert f"Started by:  {origin}" in text_of(run_tree(run, {}, at(0)))


def test_the_key_of_a_run_is_shown():
    key = {"key": "order 7\x1b", "ttlSeconds": 60}
    raw = {"metadata": {"name": "r"}, "spec": {"workflow": "w", "idempotency": key}}
    picture = text_of(run_tree(WorkflowRun.model_validate(raw), {}, at(0)))
    assert "Key:       order 7\\x1b\n" in picture


def test_the_metadata_of_a_run_is_shown():
    raw = {"spec": {"workflow": "w", "additionalMetadata": {"team": "a", "who": "b c"}}}
    picture = text_of(run_tree(WorkflowRun.model_validate(raw), {}, at(0)))
    assert "Metadata:  team=a who=b c" in picture
