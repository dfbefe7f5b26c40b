"""The units of rate limits: what a window has left, with what is reserved and not yet written."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from podhatch.api.rate_limit import MAX_GRANTS, WINDOWS, RateLimit, RateLimitStatus

LaneKey = tuple[str, ...]
"""Names of limits, sorted."""
Turn = tuple[float, str]
"""Sorts by the order in which attempts get units: seconds of a time, and name of the Job."""
Parked = tuple[Turn, LaneKey]
"""A lane by the turn of its head."""
_NO_STATUS = RateLimitStatus()


@dataclass(frozen=True)
class UnitRequest:
    """An attempt that waits for units, of one limit or more."""

    run: str
    job: str
    turn: Turn
    units: Mapping[str, int]
    """What it needs, by the limit's name."""

    @cached_property
    def lane(self) -> LaneKey:
        """The limits of which it needs units."""
        return tuple(sorted(self.units))


@dataclass
class LimitState:
    """A rate limit, and who wants units of it. It may not exist."""

    exists: bool = False
    stored: RateLimit | None = None
    """None if it cannot be read, too."""
    granted: dict[str, int] = field(default_factory=dict[str, int])
    """The units that it has granted, by its status, by the Job of the attempt."""
    reserved: dict[str, int] = field(default_factory=dict[str, int])
    """The units of attempts that have all of theirs, or are to have them, and have not started."""
    queue: list[Turn] = field(default_factory=list[Turn])
    """Of all that need units of it, in order."""
    lanes: dict[LaneKey, None] = field(default_factory=dict[LaneKey, None])
    parked: list[Parked] = field(default_factory=list[Parked])
    """Lanes that wait here, in the order of their heads."""
    kept_for: list[Parked] = field(default_factory=list[Parked])
    """Lanes for whose heads units are kept, wherever they are parked, in the same order."""


class Bucket:
    """The units of a limit in the window of this moment."""

    def __init__(self, limit: RateLimit, grants: dict[str, int], used: int, now: datetime) -> None:
        self.name = limit.metadata.name
        self.limit = limit.spec.limit
        self.grants = grants
        """Units of attempts that have not started, by their Jobs; what has started is used."""
        self.used = used
        self.window_start = (limit.status or _NO_STATUS).window_start
        """When the last window began, which may be over."""
        self.duration = WINDOWS[limit.spec.duration]
        """How long a window lasts."""
        self._now = now
        self.is_open = self.ends_at is not None and now < self.ends_at
        if not self.is_open:
            self.used = sum(grants.values())
            if grants:
                self._open()

    @property
    def left(self) -> int:
        """The units that can be taken."""
        return max(self.limit - self.used, 0)

    @property
    def ends_at(self) -> datetime | None:
        """The end of the last window; None before the first."""
        return self.window_start + self.duration if self.window_start else None

    @property
    def refills_at(self) -> datetime | None:
        """When all units are there again; None if they are now."""
        return self.ends_at if self.is_open else None

    def has_for(self, units: int) -> bool:
        """Return whether an attempt can get so many units now."""
        return units <= self.left and len(self.grants) < MAX_GRANTS

    def grant(self, job: str, units: int) -> None:
        """Give units to an attempt."""
        self.used += units
        self.grants[job] = units
        if not self.is_open:
            self._open()

    def take_back(self, job: str) -> None:
        """Take back the units of an attempt that has not started."""
        self.used = max(self.used - self.grants.pop(job), 0)

    def _open(self) -> None:
        self.is_open, self.window_start = True, self._now


class Buckets:
    """The buckets of the limits that a decision looks at."""

    def __init__(
        self, limits: Mapping[str, LimitState], requests: Mapping[str, UnitRequest], now: datetime
    ) -> None:
        self._limits, self._requests, self._now = limits, requests, now
        self._known: dict[str, Bucket | None] = {}

    def of(self, name: str) -> Bucket | None:
        """Return the bucket of a limit; None if there is none, or it cannot be read."""
        if name not in self._known:
            limit = self._limits.get(name)
            self._known[name] = limit and limit.stored and self._filled(name, limit, limit.stored)
        return self._known[name]

    def needed(self, request: UnitRequest) -> list[tuple[Bucket, int]]:
        """Return the buckets of which an attempt needs units; none if one does not exist."""
        found = [(self.of(limit), units) for limit, units in request.units.items()]
        needs = [(bucket, units) for bucket, units in found if bucket is not None]
        return needs if len(needs) == len(found) else []

    def _filled(self, name: str, limit: LimitState, stored: RateLimit) -> Bucket:
        """Count what the status says, without what is taken back, with what is not in it yet."""
        used = (stored.status or _NO_STATUS).used
        for job, units in limit.granted.items():
            request = self._requests.get(job)
            if request and request.units.get(name) == units and job not in limit.reserved:
                used -= units
        used = max(used, 0)
        for job, units in limit.reserved.items():
            if limit.granted.get(job) != units:
                used += units
        return Bucket(stored, limit.reserved, used, self._now)
