"""Holds statuses that nobody waits for, so that several changes cost one write."""

from collections.abc import Callable

from podhatch_operator.keys import Key

HOLD_SECONDS = 0.75
HOLD_SECONDS_A_RUN = 0.02
"""Added for each status that is held."""
MAX_HOLD_SECONDS = 5.0


class StatusDebouncer:
    """Debounces status writes that nobody waits for.

    The more runs are under way, the longer statuses are held, to relieve the API server under load.
    If this state is lost, statuses are written sooner.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}

    def wait(self, key: Key) -> float:
        """Return for how many seconds to hold this run's status; 0 to write it."""
        since = self._since.setdefault(key, self._clock())
        hold = min(HOLD_SECONDS + HOLD_SECONDS_A_RUN * (len(self._since) - 1), MAX_HOLD_SECONDS)
        return max(since + hold - self._clock(), 0.0)

    def release(self, key: Key) -> None:
        """The status was written, or there is none to write."""
        self._since.pop(key, None)
