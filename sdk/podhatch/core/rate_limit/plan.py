"""Which attempts get units of a RateLimit, as its status says.

An attempt claims its units in the status of its run, and starts once every limit that it names has
granted them. Attempts are served in order. One that needs several limits gets all or none of them:
the plan of each limit decides about all claims around it in the same way, and writes down its own
part. A grant stays in the status until the attempt has started, so that an operator that ends
between the two loses no unit.

Of each lane of attempts, only those that get units are looked at, and the one behind them: where
it is held up, all behind it are.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from heapq import heapify, heappop, heapreplace

from podhatch.api import labels
from podhatch.api.rate_limit import (
    MAX_GRANTS,
    WINDOWS,
    RateLimit,
    RateLimitGrant,
    RateLimitStatus,
)
from podhatch.core.admission.rate_limits import UnitQueues, UnitRequest
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import Delete, Plan, first

UNUSED = timedelta(hours=1)
"""How long a limit that a dynamic key has made is kept after its last window."""
LOOK_AGAIN = timedelta(seconds=1)
"""When to look again at attempts to which the other limits that they need have granted nothing."""
_NO_STATUS = RateLimitStatus()


class Bucket:
    """The units of a limit in the window of this moment."""

    def __init__(self, stored: RateLimit, queues: UnitQueues, now: datetime) -> None:
        status = stored.status or _NO_STATUS
        self.name = stored.metadata.name
        self.limit = stored.spec.limit
        self._duration = WINDOWS[stored.spec.duration]
        self.grants = {
            job: units
            for job, units in queues.granted(self.name).items()
            if (request := queues.requests.get(job)) and request.units.get(self.name) == units
        }
        """Units of attempts that have not started, by their Jobs; what has started is used."""
        self.used, self.window_start = status.used, status.window_start
        """When the last window began, which may be over."""
        self.is_open = self.ends_at is not None and now < self.ends_at
        if not self.is_open:
            self.used = sum(self.grants.values())
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
        return units <= self.left and len(self.grants) < MAX_GRANTS

    def grant(self, request: UnitRequest, units: int, now: datetime) -> None:
        """Give units to an attempt."""
        self.used += units
        self.grants[request.job] = units
        if not self.is_open:
            self.is_open, self.window_start = True, now

    def take_back(self, job: str) -> None:
        """Take back the units of an attempt that has not started."""
        self.used = max(self.used - self.grants.pop(job, 0), 0)


class _Service:
    """Serves all that wait for units of a limit, and of the limits around it."""

    def __init__(self, own: RateLimit, queues: UnitQueues, now: datetime) -> None:
        self._own, self._queues, self._now = own, queues, now
        self._lanes, self._limits = queues.around(own.metadata.name)
        self._buckets: dict[str, Bucket | None] = {}
        self._blocked: set[str] = set()
        """Limits whose next in line needs more than is left: nobody overtakes it."""

    def bucket(self, name: str) -> Bucket | None:
        """Return the bucket of a limit; None if there is no such limit."""
        if name not in self._buckets:
            is_own = name == self._own.metadata.name
            limit = self._own if is_own else self._queues.limit(name)
            self._buckets[name] = Bucket(limit, self._queues, self._now) if limit else None
        return self._buckets[name]

    def serve(self) -> None:
        """Give units to those that wait, in order: all that one needs, or none."""
        served = self._served()
        heads = [(queue[0].turn, number, 0) for number, queue in enumerate(self._lanes)]
        heapify(heads)
        while heads:
            _, number, place = heads[0]
            queue = self._lanes[number]
            request = queue[place]
            goes_on = request.job in served or self._serve(request)
            if goes_on and place + 1 < len(queue):
                heapreplace(heads, (queue[place + 1].turn, number, place + 1))
            else:
                heappop(heads)

    def _served(self) -> set[str]:
        """Return who has all units. Who has a part gets the rest first, or the part is taken back.

        First, since another limit may be about to write down what it has granted to the same.
        """
        queues, served, partly = self._queues, set[str](), dict[str, UnitRequest]()
        for limit in self._limits:
            for job in queues.granted(limit):
                request = queues.requests.get(job)
                if request is not None and limit in request.units:
                    if queues.has_all(request):
                        served.add(job)
                    else:
                        partly[job] = request
        for request in partly.values():
            for bucket in map(self.bucket, request.lane):
                if bucket is not None:
                    bucket.take_back(request.job)
        for request in sorted(partly.values(), key=lambda each: each.turn):
            needs = self._needs(request)
            if needs and all(bucket.has_for(units) for bucket, units in needs):
                self._grant(request, needs)
                served.add(request.job)
        return served

    def _serve(self, request: UnitRequest) -> bool:
        """Give an attempt its units if it can have them; return whether its lane goes on."""
        if not self._blocked.isdisjoint(request.lane):
            return False
        needs = self._needs(request)
        if not needs:
            return False  # a limit does not exist
        if any(units > bucket.limit for bucket, units in needs):
            return True  # the limit never has so many units: it keeps nobody from going on
        scarce = [bucket.name for bucket, units in needs if not bucket.has_for(units)]
        self._blocked.update(scarce)
        if not scarce:
            self._grant(request, needs)
        return not scarce

    def _needs(self, request: UnitRequest) -> Sequence[tuple[Bucket, int]]:
        """Return the buckets of which an attempt needs units; none if one does not exist."""
        needs: list[tuple[Bucket, int]] = []
        for limit, units in request.units.items():
            bucket = self.bucket(limit)
            if bucket is None:
                return ()
            needs.append((bucket, units))
        return needs

    def _grant(self, request: UnitRequest, needs: Iterable[tuple[Bucket, int]]) -> None:
        for bucket, units in needs:
            bucket.grant(request, units, self._now)

    def half_granted(self, bucket: Bucket) -> Iterator[UnitRequest]:
        """Yield who is granted units of a bucket while the other limits have not yet said so."""
        own = self._own.metadata.name
        for job in bucket.grants:
            request = self._queues.requests[job]
            others = [each for each in request.lane if each != own]
            if any(job not in self._queues.granted(each) for each in others):
                yield request


def plan_rate_limit(observed: ObservedRateLimit, now: datetime) -> Plan:
    """Return the new status of a limit: what is left, and which attempts have got units."""
    stored = RateLimit.model_validate(observed.rate_limit)
    name = stored.metadata.name
    service = _Service(stored, observed.queues, now)
    service.serve()
    bucket = service.bucket(name)
    assert bucket is not None
    status = _status(bucket, stored, observed.queues)
    unused_at = None if observed.queues.is_wanted(name) else _unused_at(stored, bucket)
    if unused_at and now >= unused_at:
        return Plan(writes=(Delete("RateLimit", name),))
    soon = now + LOOK_AGAIN if any(service.half_granted(bucket)) else None
    return Plan(
        status=None if status == stored.status else status.to_wire(),
        requeue_at=first([unused_at, bucket.refills_at, soon]),
    )


def _unused_at(stored: RateLimit, bucket: Bucket) -> datetime | None:
    """Return when a limit that a dynamic key has made is deleted, if nobody takes units."""
    since = bucket.ends_at or stored.metadata.creation_timestamp
    return since + UNUSED if labels.DYNAMIC in stored.metadata.labels and since else None


def _status(bucket: Bucket, stored: RateLimit, queues: UnitQueues) -> RateLimitStatus:
    return RateLimitStatus(
        observed_generation=stored.metadata.generation,
        used=bucket.used,
        left=bucket.left,
        window_start=bucket.window_start,
        refills_at=bucket.refills_at,
        grants=[
            RateLimitGrant(run=queues.requests[job].run, job=job, units=units)
            for job, units in bucket.grants.items()
        ],
    )
