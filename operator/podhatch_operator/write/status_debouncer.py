"""Statuses that may wait a moment, so that a run of a second costs one write and not three.

The more runs are on their way at once, the longer the moment: under load the API server has better
things to do than to be told of states that are over before anybody looks.
"""

from collections.abc import Callable

from podhatch_operator.queue.keys import Key

HOLD_SECONDS = 0.75
HOLD_SECONDS_A_RUN = 0.02
"""Added for each status that is held."""
MAX_HOLD_SECONDS = 5.0


class StatusDebouncer:
    """Since when a run's status is held back. Losing it only means to write sooner."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}

    def wait(self, key: Key) -> float:
        """Return for how many seconds this run's status is still to be held; 0 to write it."""
        since = self._since.setdefault(key, self._clock())
        hold = min(HOLD_SECONDS + HOLD_SECONDS_A_RUN * (len(self._since) - 1), MAX_HOLD_SECONDS)
        return max(since + hold - self._clock(), 0.0)

    def release(self, key: Key) -> None:
        """The status was written, or there is none to write."""
        self._since.pop(key, None)
