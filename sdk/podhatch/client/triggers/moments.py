"""Moments as callers give them. Used by schedules and by filters of lists."""

import inspect
import warnings
from datetime import UTC, datetime


def in_utc(subject: str, moment: object) -> datetime:
    """Return a moment in UTC; one without a time zone is taken for UTC, with a warning.

    So does the Hatchet SDK. The warning is about the line of the user's code that gave it.

    Raises:
        TypeError: It is no datetime; `subject` names what was given.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"{subject}: {moment!r} is no datetime")
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    warnings.warn(
        f"{moment} has no time zone: it is taken for UTC", stacklevel=_level_of_the_caller()
    )
    return moment.replace(tzinfo=UTC)


def bound_in_utc(subject: str, moment: object) -> datetime | None:
    """Do what `in_utc` does with the begin or end of a span, which may be None for none."""
    return None if moment is None else in_utc(subject, moment)


def _level_of_the_caller() -> int:
    """Return how far up the first code is that is not podhatch's, as seen by `in_utc`."""
    frame, level = inspect.currentframe(), 0
    while frame and str(frame.f_globals.get("__name__", "")).startswith("podhatch."):
        frame, level = frame.f_back, level + 1
    return level
