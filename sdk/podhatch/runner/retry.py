"""What an exception says about trying again. Called by the attempt when the user's code fails."""

from datetime import timedelta
from typing import TypedDict

from podhatch.errors import NonRetryableException

MAX_SECONDS = 86_400.0
"""Nobody is made to wait longer than a day."""


class Wish(TypedDict, total=False):
    """The fields of a report that say so."""

    retryable: bool
    retryAfterSeconds: float


def wish(error: BaseException) -> Wish:
    """Return whether to try again at all, and after how long, as far as the exception says."""
    if isinstance(error, NonRetryableException):
        return {"retryable": False}
    seconds = _seconds(error)
    return {} if seconds is None else {"retryAfterSeconds": seconds}


def _seconds(error: BaseException) -> float | None:
    """Return the exception's `retry_after`; None where that is no time to wait."""
    try:
        value: object = getattr(error, "retry_after", None)
    except Exception:  # it is the user's code
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(min(value, MAX_SECONDS)) if value >= 0 else None
