"""How often a task is tried, and how long it waits in between: checked. Used by the decorators."""

from dataclasses import dataclass
from typing import TypedDict

from podhatch.values.duration import Duration

MAX_RETRIES = 100
MAX_BACKOFF_FACTOR = 1000
MAX_BACKOFF_SECONDS = 86_400


class RetryOptions(TypedDict, total=False):
    """What every decorator of a task takes about trying again."""

    retries: int
    """How often it is tried again after a failure of its own, 0 to 100; 0 by default. Pods that
    were evicted or lost are made again without counting."""
    backoff_factor: float | None
    """Retry n starts `factor ** n` seconds after the failure, 1 to 1000; by default at once."""
    backoff_max_seconds: int | None
    """The longest wait between two attempts, 1 to 86400 (a day), which is the default."""
    backoff_jitter: float | None
    """Takes up to this part, 0 to 1, off each wait, differently each time; nothing by default."""


@dataclass(frozen=True, kw_only=True)
class TaskDefaults:
    """What the tasks of a workflow have where they do not say otherwise themselves.

    Attributes:
        schedule_timeout: See `TaskOptions`, as for the others.
        execution_timeout: How long one attempt may run.
        retries: How often a task is tried again.
        backoff_factor: Base of the waits between two attempts.
        backoff_max_seconds: The longest of them.
        backoff_jitter: Part of them that is left to chance.
        priority: Has no meaning: a priority belongs to whole runs.
    """

    schedule_timeout: Duration | None = None
    execution_timeout: Duration | None = None
    retries: int | None = None
    backoff_factor: float | None = None
    backoff_max_seconds: int | None = None
    backoff_jitter: float | None = None
    priority: int | None = None


def check_retries(subject: str, options: RetryOptions) -> None:
    """Refuse numbers that are out of range.

    Raises:
        ValueError: One is; `subject`, the option and its range are named.
    """
    _check(subject, "retries", options.get("retries"), 0, MAX_RETRIES, whole=True)
    _check(subject, "backoff_factor", options.get("backoff_factor"), 1, MAX_BACKOFF_FACTOR)
    _check(
        subject,
        "backoff_max_seconds",
        options.get("backoff_max_seconds"),
        1,
        MAX_BACKOFF_SECONDS,
        whole=True,
    )
    _check(subject, "backoff_jitter", options.get("backoff_jitter"), 0, 1)


def _check(
    subject: str, name: str, value: object, low: int, high: int, *, whole: bool = False
) -> None:
    if value is None:
        return
    number = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    if not number or not low <= value <= high:  # pyright: ignore[reportOperatorIssue]
        kind = "a whole number" if whole else "a number"
        raise ValueError(f"{subject}: {name}: {value!r} is not {kind} from {low} to {high}")
