"""Durations as users write them, in seconds. Used for every timeout."""

import math
import re
from datetime import timedelta
from typing import TypeAlias

Duration: TypeAlias = timedelta | str
"""A timedelta, or a sum of `ms`, `s`, `m` and `h` such as `1h30m`, `10s`, `500ms`."""

MAX_SECONDS = 31_536_000.0
MIN_SECONDS = 0.001

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_WHOLE = re.compile(rf"(?:{_PART.pattern})+")


def seconds(duration: Duration) -> float:
    """Return the duration in seconds, exact to the millisecond.

    Raises:
        ValueError: It is no duration, or not between 1 ms and 365 days.
    """
    if isinstance(duration, timedelta):
        total = duration.total_seconds()
    elif isinstance(duration, str) and _WHOLE.fullmatch(duration):  # pyright: ignore[reportUnnecessaryIsInstance]
        total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(duration))
    else:
        raise ValueError(
            f"{duration!r} is no duration: write a timedelta or a text such as '1m30s'"
        )
    total = round(total, 3)
    if not MIN_SECONDS <= total <= MAX_SECONDS:
        raise ValueError(f"{duration!r} is out of range: from 1 ms to 365 days")
    return total


def whole_seconds(subject: str, duration: Duration) -> int:
    """Return the duration in seconds, rounded up.

    Raises:
        ValueError: It is not a duration; `subject` is named.
    """
    try:
        return math.ceil(seconds(duration))
    except ValueError as error:
        raise ValueError(f"{subject}: {error}") from None
