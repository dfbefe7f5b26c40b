"""The events of a run's tasks, as Hatchet lists them: told again from the run's status. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from podhatch.api.run import AttemptRecord, TaskStatus, WorkflowRun
from podhatch.client.listing.run_rows import error_text, task_id, tasks_of

_TIMED_OUT = "TimedOut"
_NOT_STARTED = "ScheduleTimedOut"
_REPLAYED = "Replayed"
_OWN_FAILURES = frozenset(
    {"TaskFailed", "ExitCode", "NoReport", "OOMKilled", "OutputTooLarge", "OutputNotJSON"}
)
"""Reasons of attempts that failed by themselves; for any other the pod was lost."""


class V1TaskEventType(StrEnum):
    """What happened to a task."""

    QUEUED = "QUEUED"
    STARTED = "STARTED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    RETRYING = "RETRYING"
    RETRIED_BY_USER = "RETRIED_BY_USER"
    REASSIGNED = "REASSIGNED"
    TIMED_OUT = "TIMED_OUT"
    SCHEDULING_TIMED_OUT = "SCHEDULING_TIMED_OUT"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True)
class V1TaskEvent:
    """Something that happened to a task.

    Attributes:
        event_type: What.
        task_id: The task's id.
        task_display_name: The task's name.
        timestamp: When, in UTC; None where it is not known.
        attempt: In which attempt, from 1; 0 before there was one.
        retry_count: Attempts before that.
        message: What the operator says of it.
        error_message: Why it failed; None if it did not.
        worker_id: Node of the attempt; None where there is none.
    """

    event_type: V1TaskEventType
    task_id: str
    task_display_name: str
    timestamp: datetime | None
    attempt: int
    retry_count: int
    message: str
    error_message: str | None = None
    worker_id: str | None = None


def task_events(run: WorkflowRun) -> list[V1TaskEvent]:
    """Return what has happened to the tasks of a run, each task's in their order.

    Of a task with many attempts the oldest are not there any more.
    """
    return [event for task in tasks_of(run) for event in _events(task_id(run, task), task)]


def _events(identity: str, task: TaskStatus) -> Iterator[V1TaskEvent]:
    for record in task.attempts:
        yield from _ended_attempt(identity, task.name, record)

    def event(kind: V1TaskEventType, at: datetime | None, error: str | None = None) -> V1TaskEvent:
        return V1TaskEvent(
            kind,
            identity,
            task.name,
            at,
            task.attempt,
            max(task.attempt - 1, 0),
            task.message or "",
            error,
            task.node,
        )

    if task.queued_at:
        yield event(V1TaskEventType.QUEUED, task.queued_at)
    if task.started_at:
        yield event(V1TaskEventType.STARTED, task.started_at)
    if (kind := _end(task)) is not None:
        yield event(kind, task.finished_at, error_text(task))


def _ended_attempt(identity: str, name: str, record: AttemptRecord) -> Iterator[V1TaskEvent]:
    """Yield the events of an attempt that was followed by another."""

    def event(kind: V1TaskEventType, at: datetime | None) -> V1TaskEvent:
        failed = kind in (V1TaskEventType.FAILED, V1TaskEventType.TIMED_OUT)
        return V1TaskEvent(
            kind,
            identity,
            name,
            at,
            record.attempt,
            record.attempt - 1,
            record.message,
            f"{record.reason}: {record.message}" if failed else None,
            record.node,
        )

    if record.started_at:
        yield event(V1TaskEventType.STARTED, record.started_at)
    if record.reason == _TIMED_OUT or record.reason in _OWN_FAILURES:
        timed_out = record.reason == _TIMED_OUT
        kind = V1TaskEventType.TIMED_OUT if timed_out else V1TaskEventType.FAILED
        yield event(kind, record.finished_at)
        yield event(V1TaskEventType.RETRYING, record.finished_at)
    elif record.reason == _REPLAYED:
        yield event(V1TaskEventType.RETRIED_BY_USER, record.finished_at)
    else:
        yield event(V1TaskEventType.REASSIGNED, record.finished_at)


def _end(task: TaskStatus) -> V1TaskEventType | None:
    match task.state:
        case "Succeeded":
            return V1TaskEventType.FINISHED
        case "Skipped":
            return V1TaskEventType.SKIPPED
        case "Failed":
            timed_out = task.reason == _TIMED_OUT
            return V1TaskEventType.TIMED_OUT if timed_out else V1TaskEventType.FAILED
        case "Cancelled":
            late = task.reason == _NOT_STARTED
            return V1TaskEventType.SCHEDULING_TIMED_OUT if late else V1TaskEventType.CANCELLED
        case _:
            return None
