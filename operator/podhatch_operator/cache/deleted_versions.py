"""Which objects ended lately. With them the cache refuses answers that are older than the end."""

from collections.abc import Callable, Hashable

REMEMBERED_SECONDS = 120.0
"""Longer than any request of ours may take."""


class DeletedVersions:
    """The version at its end of each object that ended lately."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._versions: dict[Hashable, tuple[int, float]] = {}

    def __len__(self) -> int:
        return len(self._versions)

    def record(self, what: Hashable, version: int) -> None:
        """Remember an end, and forget those of long ago."""
        now = self._clock()
        known = self._versions.pop(what, (0, 0.0))[0]
        self._versions[what] = (max(known, version), now)
        while now - self._versions[oldest := next(iter(self._versions))][1] > REMEMBERED_SECONDS:
            del self._versions[oldest]

    def version(self, what: Hashable) -> int:
        """Return the version at the object's end; 0 when no end is known."""
        return self._versions.get(what, (0, 0.0))[0]
