"""Which objects ended lately. With them the cache refuses answers that are older than the end."""

from collections.abc import Callable, Hashable

TOMBSTONE_SECONDS = 120.0
"""Longer than any request of ours may take."""


class Tombstones:
    """The version at its end of each object that ended lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._graves: dict[Hashable, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._graves)

    def bury(self, what: Hashable, version: int) -> None:
        """Remember an end, and forget those of long ago."""
        now = self._clock()
        known = self._graves.pop(what, (0, 0.0))[0]
        self._graves[what] = (max(known, version), now)
        while now - self._graves[oldest := next(iter(self._graves))][1] > TOMBSTONE_SECONDS:
            del self._graves[oldest]

    def version(self, what: Hashable) -> int:
        """Return the version at the object's end; 0 when no end is known."""
        return self._graves.get(what, (0, 0.0))[0]
