"""The time by which local runs are decided: the machine's, or one that tests move.

The engine asks `now()`, and lets a clock that waits for nobody jump where there is nothing to do.
"""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta


class Clock:
    """The machine's clock: nobody moves it."""

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return datetime.now(UTC)

    def seconds_until(self, moment: datetime) -> float | None:
        """Return how long to sleep until then; None when that is for others to say."""
        return (moment - self.now()).total_seconds()

    def jump_to(self, moment: datetime) -> bool:  # noqa: ARG002 - this clock cannot
        """Go on to a moment at which there is something to do, if this clock can."""
        return False

    def on_move(self, wake: Callable[[], None]) -> None:
        """Call `wake`, in any thread, whenever somebody has moved the clock."""


class FakeClock(Clock):
    """A clock for tests, which stands still while a task's code runs.

    Waits of the workflow take no time: when no task's code runs and somebody waits for a result,
    the clock jumps to the end of the next backoff, `SleepCondition`, `schedule` and so on. The
    machine's clock, and so `time.sleep()` in a task, is left alone.
    """

    def __init__(self, start: datetime | None = None) -> None:
        """Set the clock.

        Args:
            start: Its time, UTC where it has no zone; by default the machine's, for code that
                schedules by that.
        """
        start = start or datetime.now(UTC)
        self._now = start.astimezone(UTC) if start.tzinfo else start.replace(tzinfo=UTC)
        self._lock = threading.Lock()
        self._wakes: list[Callable[[], None]] = []

    def now(self) -> datetime:
        """Return the time, in UTC."""
        return self._now

    def advance(self, by: timedelta | float) -> None:
        """Move the clock on, also from within a task, whose time then may be over.

        Args:
            by: A timedelta, or seconds; not negative.

        Raises:
            ValueError: The clock would go back.
        """
        step = by if isinstance(by, timedelta) else timedelta(seconds=by)
        if step < timedelta():
            raise ValueError(f"expected a positive duration, got {step}")
        with self._lock:
            self._now += step
        for wake in [*self._wakes]:
            wake()

    def seconds_until(self, moment: datetime) -> float | None:  # noqa: ARG002 - as above
        """Return None: it jumps there, or is moved."""
        return None

    def jump_to(self, moment: datetime) -> bool:
        """Move the clock on to a moment; it does not go back."""
        with self._lock:
            self._now = max(self._now, moment)
        return True

    def on_move(self, wake: Callable[[], None]) -> None:
        """Call `wake`, in any thread, whenever the test has moved the clock."""
        self._wakes.append(wake)
