"""What the user asks of a run that exists: to cancel it, or to replay it."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final

from podhatch.api.run import Replay, WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TERMINAL_STATES, EndReason, TaskStatus
from podhatch.core.run.attempts import Attempts, AttemptView
from podhatch.core.run.task_status import cancelled, pending, replayed, with_attempt

RUN_CANCELLED: Final = "RunCancelled"
CANCELLED_MESSAGE = "the run was cancelled"
_KEPT_STATES = frozenset({"Succeeded", "Skipped"})
_CANCELLED_WITH_RUN = (RUN_CANCELLED, "Concurrency")
"""Reasons for the end of tasks that have no result of their own."""


def is_cancelled(run: WorkflowRun) -> bool:
    """Whether the run is to be cancelled."""
    return run.spec.desired_state == "Cancelled"


def with_cancellation(
    entries: Iterable[TaskStatus],
    attempts: Attempts,
    now: datetime,
    reason: EndReason = RUN_CANCELLED,
    message: str = CANCELLED_MESSAGE,
) -> list[TaskStatus]:
    """Return the entries after a cancel: what has not ended ends now.

    Attempts that were made and not noted yet are noted, or nothing would stop their pods.
    """
    noted = {entry.name: entry for entry in entries}
    for task, number in sorted(attempts):
        old = noted.get(task) or pending(task)
        if number > old.attempt and old.state not in TERMINAL_STATES:
            noted[task] = _made(old, attempts[task, number])
    return [
        entry if entry.state in TERMINAL_STATES else cancelled(entry, reason, message, now)
        for entry in noted.values()
    ]


def with_replay(
    run: WorkflowRun,
    old: Mapping[str, TaskStatus],
    tasks: Sequence[TaskSpec],
    attempts: Attempts,
    now: datetime,
) -> dict[str, TaskStatus]:
    """Return the entries after a replay: all tasks start over, or some of them and what is below.

    The tasks come with parents before children. The failure task, which is none of them, has new
    failures to wait for, unless it has been started for one that stays.
    """
    replay = run.spec.replay
    assert replay is not None, "no replay is due"
    kept_tasks: set[str] = set()
    for task in tasks:
        entry = old.get(task.name)
        if entry and _stays(entry, replay) and kept_tasks.issuperset(task.parents):
            kept_tasks.add(task.name)
    if any(old[name].state == "Failed" for name in kept_tasks):
        failure_task = old.keys() - {task.name for task in tasks}
        kept_tasks.update(name for name in failure_task if _stays(old[name], replay))
    entries = {
        name: entry if name in kept_tasks else replayed(entry, now) for name, entry in old.items()
    }
    for task, number in sorted(attempts):  # their numbers are taken, noted or not
        entry = entries.get(task) or pending(task)
        if attempts[task, number].replay == replay.count or number <= entry.attempt:
            continue
        if task in kept_tasks and entry.state not in TERMINAL_STATES:
            entries[task] = _made(entry, attempts[task, number])
        else:
            entries[task] = entry.model_copy(update={"attempt": number})
    return entries


def _stays(entry: TaskStatus, replay: Replay) -> bool:
    """Whether a replay leaves a task as it is, unless one above it starts over."""
    if replay.task is not None:
        is_cancelled = entry.state == "Cancelled" and entry.reason in _CANCELLED_WITH_RUN
        return entry.name != replay.task and not is_cancelled
    return replay.failed_only and entry.state in _KEPT_STATES


def _made(entry: TaskStatus, attempt: AttemptView) -> TaskStatus:
    """Return the entry of a task with an attempt that was made and not noted."""
    return with_attempt(entry, attempt.number, job=attempt.name)
