"""The entries of a run's status: how each is made from the one before it.

Every new entry keeps the task's counters and its record of earlier attempts, and nothing else.
"""

from datetime import datetime
from typing import TypedDict, Unpack

from podhatch.api.task_status import (
    MAX_ATTEMPT_RECORDS,
    MAX_ERROR_MESSAGE,
    MAX_RECORD_MESSAGE,
    MAX_TRACEBACK,
    AttemptRecord,
    EndReason,
    TaskError,
    TaskState,
    TaskStatus,
    WaitReason,
)
from podhatch.core.pod.end import AttemptEnd
from podhatch.core.run.retry import Retry

MAX_TASK_MESSAGE = 2000
REPLAYED = "Replayed"


_COUNTERS = frozenset({"name", "retries", "disruptions", "attempts"})
"""Fields of an entry that each later one has, too."""
_NEW = TaskStatus(name="new", state="Pending")


class EntryFields(TypedDict, total=False):
    """What a new entry says beside the counters."""

    state: TaskState
    reason: WaitReason | EndReason | None
    message: str | None
    attempt: int
    resumes: int
    job: str | None
    node: str | None
    queued_at: datetime | None
    met: list[str]
    waits_over: int | None
    evicted_at: datetime | None
    idle_resumes: int
    next_attempt_at: datetime | None


def kept(old: TaskStatus, **fields: Unpack[EntryFields]) -> TaskStatus:
    """Return a new entry of the task with its counters and records; the old one if it is the same.

    One that waited without a pod stays one that is to be resumed, and keeps its node.
    """
    given: EntryFields = {
        "state": old.state,
        "attempt": old.attempt,
        "node": old.node,
        "resumes": old.resumes,
        "waits_over": old.waits_over,
        "evicted_at": old.evicted_at,
        "idle_resumes": old.idle_resumes,
        **fields,
    }
    if _says_the_same(old, given):
        return old
    counters = {name: getattr(old, name) for name in _COUNTERS}
    return _NEW.model_copy(update={**counters, **given})


def _says_the_same(old: TaskStatus, given: EntryFields) -> bool:
    """Return whether the entry has these fields and, but for the counters, no others."""
    others = old.model_fields_set - given.keys()
    return others <= _COUNTERS and given.items() <= vars(old).items()


def pending(task: str) -> TaskStatus:
    """Return the first entry of a task."""
    return TaskStatus(name=task, state="Pending")


def queued(
    old: TaskStatus, reason: WaitReason, message: str, queued_at: datetime | None = None
) -> TaskStatus:
    """Return the entry of a task whose next attempt is held back."""
    message = bounded(message)
    return kept(old, state="Queued", reason=reason, message=message, queued_at=queued_at)


def with_attempt(
    old: TaskStatus,
    number: int,
    *,
    job: str | None,
    queued_at: datetime | None = None,
    node: str | None = None,
) -> TaskStatus:
    """Return the entry with an attempt that is made. After a wait without a pod it is a resume."""
    return kept(
        old,
        state="Queued",
        attempt=number,
        resumes=resumes_with_next(old),
        waits_over=None,
        job=job,
        node=node or old.node,
        queued_at=queued_at,
    )


def resumes_with_next(old: TaskStatus) -> int:
    """Return how many of the task's attempts are resumes once the next one is made."""
    return old.resumes + (old.waits_over is not None)


def bounded(text: str) -> str:
    """Return a message that fits its field."""
    return text if len(text) <= MAX_TASK_MESSAGE else text[: MAX_TASK_MESSAGE - 1] + "…"


def over(current: TaskStatus, ended: AttemptEnd, now: datetime) -> TaskStatus:
    """Return the entry of a task whose last attempt is the last."""
    changes = {
        "state": ended.state,
        "reason": ended.reason,
        "message": bounded(ended.message) or None,
        "exit_code": ended.exit_code,
        "started_at": ended.started_at,
        "finished_at": ended.finished_at or now,
        "error": _error(ended),
    }
    return current.model_copy(update=changes)


def to_be_tried_again(
    current: TaskStatus, ended: AttemptEnd, again: Retry, now: datetime
) -> TaskStatus:
    """Return the entry of a task between two attempts; the one that ended becomes a record."""
    record = AttemptRecord(
        attempt=current.attempt,
        reason=ended.reason or ended.state,
        message=ended.message[:MAX_RECORD_MESSAGE],
        node=current.node,
        started_at=ended.started_at,
        finished_at=ended.finished_at or now,
        exit_code=ended.exit_code,
    )
    changes = {
        "state": "Queued",
        "reason": again.reason,
        "message": bounded(again.message),
        "retries": again.retries,
        "disruptions": again.disruptions,
        "next_attempt_at": again.at,
        "node": None,
        "evicted_at": None,
        "attempts": [*current.attempts, record][-MAX_ATTEMPT_RECORDS:],
    }
    return kept(current).model_copy(update=changes)


def replayed(old: TaskStatus, now: datetime) -> TaskStatus:
    """Return the entry of a task that starts over; its last attempt becomes a record."""
    records = list(old.attempts)
    if old.job:
        records.append(
            AttemptRecord(
                attempt=max(old.attempt, 1),
                reason=REPLAYED,
                message=f"was {old.state} when the run was replayed",
                node=old.node,
                started_at=old.started_at,
                finished_at=old.finished_at or now,
                exit_code=old.exit_code,
            )
        )
    return TaskStatus(
        name=old.name,
        state="Pending",
        attempt=old.attempt,
        resumes=old.resumes,
        attempts=records[-MAX_ATTEMPT_RECORDS:],
    )


def cancelled(old: TaskStatus, reason: EndReason, message: str, when: datetime) -> TaskStatus:
    """Return the entry of a task that ends without an outcome of its own."""
    return _ended_by_us(old, "Cancelled", reason, message, when)


def skipped(old: TaskStatus, reason: EndReason, message: str, when: datetime) -> TaskStatus:
    """Return the entry of a task that was not needed."""
    return _ended_by_us(old, "Skipped", reason, message, when)


def failed(old: TaskStatus, reason: EndReason, message: str, when: datetime) -> TaskStatus:
    """Return the entry of a task that fails without an attempt to blame."""
    entry = _ended_by_us(old, "Failed", reason, message, when)
    error = TaskError(type=reason, message=message[:MAX_ERROR_MESSAGE])
    return entry.model_copy(update={"error": error})


def _ended_by_us(
    old: TaskStatus, state: TaskState, reason: EndReason, message: str, when: datetime
) -> TaskStatus:
    changes = {
        "state": state,
        "reason": reason,
        "message": bounded(message),
        "next_attempt_at": None,
        "waits_over": None,
        "finished_at": when,
    }
    return old.model_copy(update=changes)


def _error(ended: AttemptEnd) -> TaskError | None:
    if ended.state == "Succeeded":
        return None
    traceback = ended.traceback[-MAX_TRACEBACK:] if ended.traceback else None
    return TaskError(
        type=ended.error_type[:256],
        message=ended.message.removeprefix(f"{ended.error_type}: ")[:MAX_ERROR_MESSAGE],
        traceback=traceback,
    )
