"""How an attempt ended, as every kind of evidence is turned into it."""

from dataclasses import dataclass, replace
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.api.run import TaskState
from podhatch.core.pod.pods import read_time


@dataclass(frozen=True)
class Ended:
    """An attempt that is over."""

    state: TaskState
    reason: str | None = None
    message: str = ""
    error_type: str = ""
    traceback: str | None = None
    output: str | None = None
    output_in_result: bool = False
    """The TaskResult holds the output too, so a long one may stay there."""
    exit_code: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    disrupted: bool = False
    """The attempt was lost through no fault of its own."""
    retryable: bool = True
    retry_after: float | None = None
    """Seconds that the task asked to wait before the next attempt."""


@dataclass(frozen=True)
class Awaited:
    """The attempt is over or ends, and what it still has to report is given time to arrive."""

    until: datetime


def failure(reason: str, message: str, *, disrupted: bool = False) -> Ended:
    """Return the end of an attempt that failed, or was lost if `disrupted`."""
    return Ended("Failed", reason=reason, message=message, error_type=reason, disrupted=disrupted)


def container_failure(terminated: JsonObject, reason: str, message: str) -> Ended:
    """Return a failure with exit code and times of a container that terminated."""
    return with_times(failure(reason, message), terminated)


def with_times(ended: Ended, terminated: JsonObject) -> Ended:
    """Return the end with exit code and times of a container that terminated."""
    return replace(
        ended,
        exit_code=terminated.get("exitCode"),
        started_at=read_time(terminated.get("startedAt")),
        finished_at=read_time(terminated.get("finishedAt")),
    )
