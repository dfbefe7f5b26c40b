from podhatch.cli.rendering.watch import changes

from tests.unit.cli.runs import at, run_of, succeeded, task


def told(*arguments: object) -> list[str]:
    return [line.split("  ", 1)[1] for line in changes(*arguments)]  # type: ignore[arg-type]


def test_the_first_state_prints_every_task():
    run = run_of("Running", succeeded("a", 0, 1.5, '{"n": 1}'), task("b", "Queued"))
    assert told(None, run, at(2)) == [
        'task a  Succeeded  1.5s  {"n": 1}',
        "task b  Queued",
        "run orders-1  Running",
    ]


def test_later_states_print_only_changed_tasks():
    before = run_of("Running", succeeded("a", 0, 1), task("b", "Running", attempt=1))
    failed = task("b", "Failed", attempt=1, reason="TaskFailed", message="ValueError:\n no")
    after = run_of("Failed", succeeded("a", 0, 1), failed, message="task b: no", finishedAt=at(2))
    assert told(before, after, at(2)) == [
        "task b  Failed  TaskFailed: ValueError: no",
        "run orders-1  Failed  2.0s  task b: no",
    ]
    assert told(after, after, at(3)) == []


def test_a_new_reason_for_waiting_is_printed():
    waiting = run_of("Running", task("a", "Queued", reason="Scheduling", message="looks"))
    stuck = run_of("Running", task("a", "Queued", reason="Unschedulable", message="no node"))
    assert told(waiting, stuck, at(1)) == ["task a  Queued  Unschedulable: no node"]


def test_a_new_reason_of_a_pending_run_is_printed():
    assert told(None, run_of(None), at(0)) == ["run orders-1  Pending"]
    refused = run_of("Pending", message="there is no Workflow 'orders'")
    assert told(run_of(None), refused, at(1)) == [
        "run orders-1  Pending  there is no Workflow 'orders'"
    ]
