"""The time limit of an attempt in a thread, by two clocks: a fake one may jump, or stand still."""

import time
from datetime import datetime, timedelta


class TimeLimit:
    """The time of one attempt, by the clock of the run and by the machine's.

    It stands still from the moment at which the pod of a durable task would be given up, and begins
    anew with the pod that would continue the task.
    """

    def __init__(self, eviction_ttl: float | None) -> None:
        self._ttl = eviction_ttl
        self._began: tuple[datetime, float] | None = None
        """By both clocks."""
        self._parked: tuple[datetime, float] | None = None
        """Since when the task does nothing but wait, by both clocks."""

    def begin(self, now: datetime) -> None:
        """The function starts."""
        self._began = now, time.monotonic()

    def parked(self, is_parked: bool, now: datetime) -> None:
        """The task has begun, or ended, to do nothing but wait."""
        if is_parked:
            self._parked = now, time.monotonic()
        elif self._parked is not None:
            waited = (now - self._parked[0]).total_seconds()
            if self._ttl is not None and waited > self._ttl:
                self.begin(now)
            self._parked = None

    def deadline(self, limit: float | None) -> datetime | None:
        """Return when the time is over by the clock of the run; None for never."""
        began, parked = self._began, self._parked
        if limit is None or began is None:
            return None
        over_at = began[0] + timedelta(seconds=limit)
        if parked and self._ttl is not None and over_at > parked[0] + timedelta(seconds=self._ttl):
            return None
        return over_at

    def seconds_left(self, limit: float | None) -> float | None:
        """Return after how long it is over by the machine's clock; None for never."""
        began, parked = self._began, self._parked
        if limit is None or began is None:
            return None
        over_at = began[1] + limit
        if parked and self._ttl is not None and over_at > parked[1] + self._ttl:
            return None
        return over_at - time.monotonic()
