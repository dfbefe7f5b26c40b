"""What callers give to the client, checked: lists and times.

What is None asks for nothing. What is empty lets nothing pass: a list of names that came out empty
means no workflow, and never all of them.
"""

import inspect
import warnings
from collections.abc import Iterable, Sized
from datetime import UTC, datetime
from typing import TypeVar

from podhatch.values.parsing import listed

T = TypeVar("T")


def chosen(name: str, values: Iterable[T] | None) -> list[T] | None:
    """Return the values of a filter as a list; None stays None.

    Raises:
        ValueError: They are a text, or a single thing; `name` is that of the filter.
    """
    return None if values is None else listed(name, values)


def nothing_passes(*filters: Sized | None) -> bool:
    """Tell whether one of the filters is empty."""
    return any(each is not None and not len(each) for each in filters)


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
