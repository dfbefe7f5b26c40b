"""Which attempts get units of a RateLimit, as its status says.

An attempt claims its units in the status of its run, and starts once every limit that it names has
granted them. Attempts are served in order. One that needs several limits gets all or none of them:
the plan of each limit decides about all claims around it in the same way, and writes down its own
part. A grant stays in the status until the attempt has started, so that an operator that ends
between the two loses no unit.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from pydantic import TypeAdapter, ValidationError

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.rate_limit import (
    MAX_GRANTS,
    WINDOWS,
    RateLimit,
    RateLimitClaim,
    RateLimitGrant,
    RateLimitStatus,
)
from podhatch.api.run import is_over
from podhatch.core.admission.index import HEAD_START
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import Delete, Plan, first

_CLAIMS = TypeAdapter(list[RateLimitClaim])
UNUSED = timedelta(hours=1)
"""How long a limit that a dynamic key has made is kept after its last window."""


@dataclass(frozen=True)
class Attempt:
    """An attempt that waits for units, of one limit or more."""

    run: str
    job: str
    turn: tuple[datetime, str]
    """Sorts by the order in which they get units."""
    units: Mapping[str, int]
    """What it needs, by the limit's name."""


class Bucket:
    """The units of a limit in the window of this moment."""

    def __init__(self, stored: RateLimit, waiting: Mapping[str, Attempt], now: datetime) -> None:
        status = stored.status or RateLimitStatus()
        name = stored.metadata.name
        self.limit = stored.spec.limit
        self._duration = WINDOWS[stored.spec.duration]
        self.grants = {
            each.job: each
            for each in status.grants
            if each.job in waiting and waiting[each.job].units.get(name) == each.units
        }
        """To attempts that have not started, by their Jobs; what has started is used."""
        self.used, self.window_start = status.used, status.window_start
        """When the last window began, which may be over."""
        self.is_blocked = False
        """The next in line needs more than is left: nobody overtakes it."""
        self.is_open = self.ends_at is not None and now < self.ends_at
        if not self.is_open:
            self.used = sum(each.units for each in self.grants.values())
            if self.grants:
                self.is_open, self.window_start = True, now

    @property
    def left(self) -> int:
        """The units that can be taken."""
        return max(self.limit - self.used, 0)

    @property
    def ends_at(self) -> datetime | None:
        """The end of the last window; None before the first."""
        return self.window_start + self._duration if self.window_start else None

    @property
    def refills_at(self) -> datetime | None:
        """When all units are there again; None if they are now."""
        return self.ends_at if self.is_open else None

    def has_for(self, units: int) -> bool:
        """Return whether an attempt can get so many units now."""
        return units <= self.left and not self.is_blocked and len(self.grants) < MAX_GRANTS

    def grant(self, attempt: Attempt, units: int, now: datetime) -> None:
        """Give units to an attempt."""
        self.used += units
        self.grants[attempt.job] = RateLimitGrant(run=attempt.run, job=attempt.job, units=units)
        if not self.is_open:
            self.is_open, self.window_start = True, now

    def take_back(self, job: str) -> None:
        """Take back the units of an attempt that has not started."""
        if grant := self.grants.pop(job, None):
            self.used = max(self.used - grant.units, 0)


def plan_rate_limit(observed: ObservedRateLimit, now: datetime) -> Plan:
    """Return the new status of a limit: what is left, and which attempts have got units."""
    stored = RateLimit.model_validate(observed.rate_limit)
    name = stored.metadata.name
    limits = {each: RateLimit.model_validate(raw) for each, raw in observed.others.items()}
    waiting = _waiting(observed.runs)
    buckets = {
        each: Bucket(limit, waiting, now) for each, limit in {**limits, name: stored}.items()
    }
    _serve(waiting.values(), buckets, now)
    status = _status(buckets[name], stored)
    unused_at = _unused_at(stored, buckets[name]) if not waiting else None
    if unused_at and now >= unused_at:
        return Plan(writes=(Delete("RateLimit", name),))
    return Plan(
        status=None if status == stored.status else status.to_wire(),
        requeue_at=first([unused_at, *(bucket.refills_at for bucket in buckets.values())]),
    )


def _unused_at(stored: RateLimit, bucket: Bucket) -> datetime | None:
    """Return when a limit that a dynamic key has made is deleted, if nobody takes units."""
    since = bucket.ends_at or stored.metadata.creation_timestamp
    return since + UNUSED if labels.DYNAMIC in stored.metadata.labels and since else None


def _waiting(runs: Iterable[JsonObject]) -> dict[str, Attempt]:
    """Return the attempts that wait for units, by their Jobs."""
    claims: defaultdict[tuple[str, str], list[RateLimitClaim]] = defaultdict(list)
    for run in runs:
        for claim in claims_in(run):
            claims[run["metadata"]["name"], claim.job].append(claim)
    return {job: _attempt(run, job, each) for (run, job), each in claims.items()}


def claims_in(run: JsonObject) -> Sequence[RateLimitClaim]:
    """Return what the tasks of a run wait for, as its status says; of an unreadable one nothing."""
    raw: object = run.get("status", {}).get("rateLimits")
    if not raw or is_over(run):
        return ()
    try:
        return _CLAIMS.validate_python(raw)
    except ValidationError:
        return ()


def _attempt(run: str, job: str, claims: Sequence[RateLimitClaim]) -> Attempt:
    since = claims[0].since - (claims[0].priority - 1) * HEAD_START
    return Attempt(run, job, (since, job), {each.limit: each.units for each in claims})


def _serve(waiting: Iterable[Attempt], buckets: Mapping[str, Bucket], now: datetime) -> None:
    """Give units to those that wait, in order: all that one needs, or none."""
    unserved: list[Attempt] = []
    for attempt in waiting:
        own = [buckets[name] for name in attempt.units if name in buckets]
        if len(own) < len(attempt.units) or any(attempt.job not in each.grants for each in own):
            unserved.append(attempt)
            for bucket in own:
                bucket.take_back(attempt.job)
    for attempt in sorted(unserved, key=lambda each: each.turn):
        needs = [(buckets.get(name), units) for name, units in attempt.units.items()]
        own = [(bucket, units) for bucket, units in needs if bucket and units <= bucket.limit]
        if len(own) < len(needs):
            continue  # a limit does not exist, or never has so many units
        if all(bucket.has_for(units) for bucket, units in own):
            for bucket, units in own:
                bucket.grant(attempt, units, now)
        else:
            for bucket, units in own:
                bucket.is_blocked |= not bucket.has_for(units)


def _status(bucket: Bucket, stored: RateLimit) -> RateLimitStatus:
    return RateLimitStatus(
        observed_generation=stored.metadata.generation,
        used=bucket.used,
        left=bucket.left,
        window_start=bucket.window_start,
        refills_at=bucket.refills_at,
        grants=[*bucket.grants.values()],
    )
