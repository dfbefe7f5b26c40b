"""What a cron may have beside what it needs, however it is asked for. Standard library only.

Used by `create_cron` of the runnables and by `hatchet.cron.create`.
"""

import math
from typing import TYPE_CHECKING, TypedDict

from podhatch.values.duration import Duration, seconds

if TYPE_CHECKING:
    from podhatch.api.cron import ConcurrencyPolicy


class CronOptions(TypedDict, total=False):
    """What the methods that create a cron take by keyword."""

    time_zone: str
    """Of the expression, by its IANA name such as Europe/Paris; by default Etc/UTC."""
    concurrency_policy: "ConcurrencyPolicy"
    """What a tick does while an earlier run goes on: Allow starts another (the default), Forbid
    skips the tick, Replace cancels the earlier run."""
    starting_deadline: Duration | None
    """A tick that was missed by more, while nothing could start it, is left out; by default none
    is."""
    starting_deadline_seconds: int | None
    """The same in seconds."""


def deadline_of(subject: str, options: CronOptions) -> int | None:
    """Return the starting deadline in seconds, whichever way it is given.

    Raises:
        ValueError: It is given twice, or is no duration.
    """
    deadline = options.get("starting_deadline")
    in_seconds = options.get("starting_deadline_seconds")
    if deadline is None:
        return in_seconds
    if in_seconds is not None:
        raise ValueError(f"{subject}: give either starting_deadline or starting_deadline_seconds")
    return whole_seconds(f"{subject}: starting_deadline", deadline)


def whole_seconds(subject: str, duration: Duration) -> int:
    """Return the duration in seconds, rounded up.

    Raises:
        ValueError: It is none; `subject` is named.
    """
    try:
        return math.ceil(seconds(duration))
    except ValueError as error:
        raise ValueError(f"{subject}: {error}") from None
