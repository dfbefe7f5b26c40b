"""Whether and when a failed attempt is retried.

A failure of the task itself uses up its retries. An attempt that was lost through no fault of its
own (evicted, preempted, its node or pod gone) has a counter of its own and never uses a retry.
"""

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api.limits import MAX_BACKOFF_SECONDS
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import MAX_DISRUPTIONS, TaskStatus, WaitReason
from podhatch.core.pod.end import AttemptEnd

MAX_DISRUPTION_WAIT = 60.0
"""Before an attempt after one that was lost, or that gave up its pod without progress."""


@dataclass(frozen=True)
class Retry:
    """The attempt is followed by another one."""

    at: datetime
    reason: WaitReason
    message: str
    retries: int
    disruptions: int


def next_attempt(
    task: TaskSpec, status: TaskStatus, ended: AttemptEnd, seed: str, now: datetime
) -> Retry | None:
    """Return when to try again; None if the attempt's end is the task's.

    Args:
        task: the task.
        status: its counters.
        ended: how the attempt ended.
        seed: what makes this attempt's jitter its own.
        now: the time.
    """
    if ended.state == "Succeeded":
        return None
    since = min(ended.finished_at or now, now)
    if ended.disrupted:
        if status.disruptions >= MAX_DISRUPTIONS:
            return None
        count = status.disruptions + 1
        wait = _growing_wait(count - 1) if count > 1 else 0.0
        number = f"number {count} of {MAX_DISRUPTIONS}"
        message = f"the attempt was lost ({ended.message}) and is made again, {number}"
        at = since + timedelta(seconds=wait)
        return Retry(at, "Disrupted", message, status.retries, count)
    if not ended.retryable or status.retries >= task.retries:
        return None
    count = status.retries + 1
    wait = _backoff(task, count, seed)
    if ended.retry_after is not None:
        wait = min(ended.retry_after, MAX_BACKOFF_SECONDS)
    message = f"retry {count} of {task.retries} after: {ended.message}"
    at = since + timedelta(seconds=wait)
    return Retry(at, "Retrying", message, count, status.disruptions)


def resume_backoff(idle_resumes: int) -> timedelta:
    """Return the wait before a resume, after so many in a row that made no progress."""
    return timedelta(seconds=_growing_wait(idle_resumes))


def _growing_wait(count: int) -> float:
    return min(2.0 ** min(count, 10), MAX_DISRUPTION_WAIT)


def _backoff(task: TaskSpec, retry: int, seed: str) -> float:
    """Return the wait before a retry, in seconds: min(max, factor ** n), less the jitter."""
    if task.backoff_factor is None:
        return 0.0
    longest = float(task.backoff_max_seconds or MAX_BACKOFF_SECONDS)
    wait = min(longest, task.backoff_factor**retry)
    chance = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:4]) / 2**32
    return wait * (1 - (task.backoff_jitter or 0.0) * chance)
