"""Options of tasks that take units of rate limits."""

from collections.abc import Sequence
from dataclasses import dataclass

from podhatch.api.limits import MAX_RATE_LIMITS, MAX_UNITS
from podhatch.values.duration import RateLimitDuration, window_of
from podhatch.values.parsing import is_text, is_whole, listed, unexpected


@dataclass(frozen=True)
class RateLimit:
    """Units of a rate limit that each attempt of a task takes before it starts.

    Attributes:
        static_key: Key of a limit that `hatchet.rate_limits.put` has created.
        dynamic_key: CEL over `input`, `additional_metadata` and `workflow_run_id`, which gives the
            key: a string. The limit is created when it is needed first.
        units: How many units it takes: a whole number, or CEL that gives one.
        limit: With a dynamic key: units of a window, as a whole number, or CEL that gives one.
        duration: With a dynamic key: duration of a window.

    Raises:
        ValueError: A field is not valid, or does not go with the others.
    """

    static_key: str | None = None
    dynamic_key: str | None = None
    units: int | str = 1
    limit: int | str | None = None
    duration: RateLimitDuration = RateLimitDuration.MINUTE

    def __post_init__(self) -> None:
        if (self.static_key is None) == (self.dynamic_key is None):
            raise ValueError("RateLimit: expected either static_key or dynamic_key")
        if self.dynamic_key is not None and self.limit is None:
            raise ValueError("RateLimit: limit: required with dynamic_key")
        if self.static_key is not None and self.limit is not None:
            raise ValueError(
                "RateLimit: limit: only for dynamic_key; hatchet.rate_limits.put sets the limit of "
                "a static key"
            )
        for name in ("static_key", "dynamic_key"):
            value: object = getattr(self, name)
            if value is not None and not is_text(value):
                raise unexpected(f"RateLimit: {name}", "a non-empty string", value)
        _check_number("units", self.units)
        if self.limit is not None:
            _check_number("limit", self.limit)
        window_of("RateLimit", self.duration)


def rate_limits_of(place: str, limits: Sequence[RateLimit] | None) -> tuple[RateLimit, ...]:
    """Return the limits, each checked; `place` names task and option in errors."""
    found = tuple(listed(place, () if limits is None else limits))
    for each in found:
        if not isinstance(each, RateLimit):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise unexpected(place, "a RateLimit", each)
    if len(found) > MAX_RATE_LIMITS:
        raise unexpected(place, f"at most {MAX_RATE_LIMITS}", len(found))
    return found


def _check_number(name: str, value: object) -> None:
    if not is_text(value) and not is_whole(value, 0, MAX_UNITS):
        expected = f"a whole number from 0 to {MAX_UNITS}, or an expression"
        raise unexpected(f"RateLimit: {name}", expected, value)
