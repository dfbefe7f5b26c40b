"""What callers pass to the client, checked: lists and times.

In a filter None means any. An empty list matches nothing: a list of workflow names that came out
empty means no workflow, and never all of them.
"""

import inspect
import warnings
from collections.abc import Iterable, Sized
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from podhatch.api.limits import DEFAULT_QUEUE_TTL_SECONDS
from podhatch.values.parsing import listed

T = TypeVar("T")

DEFAULT_QUEUE_TTL = timedelta(seconds=DEFAULT_QUEUE_TTL_SECONDS)


def chosen(name: str, values: Iterable[T] | None) -> list[T] | None:
    """Return the values of a filter as a list; None stays None."""
    return None if values is None else listed(name, values)


def nothing_passes(*filters: Sized | None) -> bool:
    """Return whether one of the filters is empty."""
    return any(each is not None and not len(each) for each in filters)


def in_utc(subject: str, moment: object) -> datetime:
    """Return a time in UTC; one without a time zone is read as UTC, with a warning.

    As in the Hatchet SDK. The warning names the line of the user's code that passed it.

    Raises:
        TypeError: It is not a datetime; `subject` names the parameter.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"{subject}: expected a datetime, got {moment!r}")
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    warnings.warn(
        f"{moment} has no time zone and is read as UTC", stacklevel=_level_of_the_caller()
    )
    return moment.replace(tzinfo=UTC)


def bound_in_utc(subject: str, moment: object) -> datetime | None:
    """Do what `in_utc` does; None stays None."""
    return None if moment is None else in_utc(subject, moment)


def _level_of_the_caller() -> int:
    """Return how many frames above `in_utc` the first code outside of podhatch is."""
    frame, level = inspect.currentframe(), 0
    while frame and str(frame.f_globals.get("__name__", "")).startswith("podhatch."):
        frame, level = frame.f_back, level + 1
    return level
