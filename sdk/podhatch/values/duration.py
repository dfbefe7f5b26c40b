"""Durations as users write them: in options of the SDK, and in flags of the CLI."""

import math
import re
from datetime import timedelta
from enum import StrEnum
from typing import TypeAlias

from podhatch.api.limits import MAX_SECONDS, RateLimitWindow
from podhatch.values.parsing import unexpected

Duration: TypeAlias = timedelta | str
"""A timedelta, or a sum of `ms`, `s`, `m`, `h`, `d` and `w` such as `1h30m`, `7d`, `500ms`."""

MIN_SECONDS = 0.001

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PART = re.compile(rf"(\d+(?:\.\d+)?)({'|'.join(_UNITS)})", re.ASCII)
_WHOLE = re.compile(rf"(?:{_PART.pattern})+", re.ASCII)


def parse_duration(text: str) -> float | None:
    """Return the seconds of a duration such as `1h30m`; None if the text is not one."""
    if not _WHOLE.fullmatch(text):
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))


def seconds(duration: Duration, subject: str = "") -> float:
    """Return the duration in seconds, exact to the millisecond.

    Raises:
        ValueError: It is not a duration, or not between 1 ms and 365 days; `subject` is named.
    """
    place = f"{subject}: " if subject else ""
    if isinstance(duration, timedelta):
        total = duration.total_seconds()
    else:
        total = parse_duration(duration) if isinstance(duration, str) else None  # pyright: ignore[reportUnnecessaryIsInstance]
    if total is None:
        raise ValueError(
            f"{place}expected a timedelta or a duration such as '1h30m' or '7d', got {duration!r}"
        )
    total = round(total, 3)
    if not MIN_SECONDS <= total <= MAX_SECONDS:
        raise ValueError(f"{place}{duration!r} is out of range: from 1 ms to 365 days")
    return total


def whole_seconds(subject: str, duration: Duration) -> int:
    """Return the duration in seconds, rounded up; `subject` names it in errors."""
    return math.ceil(seconds(duration, subject))


class RateLimitDuration(StrEnum):
    """Duration of a window, in which each unit is given once."""

    SECOND = "SECOND"
    MINUTE = "MINUTE"
    HOUR = "HOUR"
    DAY = "DAY"
    WEEK = "WEEK"
    MONTH = "MONTH"
    YEAR = "YEAR"


def window_of(subject: str, duration: object) -> RateLimitWindow:
    """Return the duration of a window as it stands in the objects; `subject` is named in errors."""
    if duration not in [*RateLimitDuration]:
        known = ", ".join(RateLimitDuration)
        raise unexpected(f"{subject}: duration", f"one of {known}", duration)
    return RateLimitDuration(duration).value
