"""Who waits for units of rate limits, in which order, and what the RateLimits grant.

The truth is in `status.rateLimits` of the runs, which claim units, and in `status.grants` of the
RateLimits. The index is made of both: the cache tells it of each object. It decides nothing; it
finds what the plan of a RateLimit needs, without a look at all that wait, and wakes the limits and
the runs that a change concerns.

Attempts that need units of exactly the same limits form a lane, in which they wait in order: by the
time since which they wait, with a head start for a higher priority.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from pydantic import TypeAdapter, ValidationError

from podhatch.api.model import JsonObject
from podhatch.api.rate_limit import MAX_GRANTS, RateLimit, RateLimitClaim
from podhatch.api.run import is_over
from podhatch.core.admission.index import HEAD_START

_CLAIMS = TypeAdapter(list[RateLimitClaim])
Wake = Callable[[str, str], None]
"""Has an object planned again, by namespace and name."""
Lane = tuple[str, ...]
"""Names of the limits, sorted."""
Turn = tuple[float, str]
"""Sorts by the order in which attempts get units: seconds of a time, and name of the Job."""
_NOTHING: Mapping[str, int] = MappingProxyType({})


@dataclass(frozen=True)
class UnitRequest:
    """An attempt that waits for units, of one limit or more."""

    run: str
    job: str
    turn: Turn
    units: Mapping[str, int]
    """What it needs, by the limit's name."""

    @cached_property
    def lane(self) -> Lane:
        """The limits of which it needs units."""
        return tuple(sorted(self.units))


class UnitQueues:
    """The rate limits of one namespace, and who waits for their units."""

    def __init__(self) -> None:
        self.requests: dict[str, UnitRequest] = {}
        """By the names of the attempts' Jobs."""
        self._runs: dict[str, dict[str, UnitRequest]] = {}
        """The same by run, then by Job."""
        self._lanes: dict[Lane, list[UnitRequest]] = {}
        self._lanes_of: dict[str, dict[Lane, None]] = {}
        """By limit."""
        self._limits: dict[str, RateLimit | None] = {}
        """None for one that cannot be read."""
        self._granted: dict[str, dict[str, int]] = {}
        """By limit, the units that it has granted, by the Job of the attempt."""
        self._undecided: dict[str, dict[str, None]] = {}
        """Jobs of attempts that are new since the last decision of the first of their limits."""
        self._woken_limits: dict[str, None] = {}
        self._woken_runs: dict[str, None] = {}
        self._new_grants = 0

    @property
    def is_empty(self) -> bool:
        """Whether there are neither limits nor anybody who waits."""
        return not self._limits and not self.requests

    def knows(self, run: str) -> bool:
        """Return whether some attempt of a run waits."""
        return run in self._runs

    def limit(self, name: str) -> RateLimit | None:
        """Return a limit; None if there is none, or it cannot be read."""
        return self._limits.get(name)

    def has_limit(self, name: str) -> bool:
        """Return whether a limit exists; perhaps it cannot be read."""
        return name in self._limits

    def granted(self, limit: str) -> Mapping[str, int]:
        """Return the units that a limit has granted, by its status, by the Job of the attempt."""
        return self._granted.get(limit, _NOTHING)

    def has_all(self, request: UnitRequest) -> bool:
        """Return whether an attempt is granted all that it needs."""
        needs = request.units.items()
        return all(self.granted(limit).get(request.job) == units for limit, units in needs)

    def is_wanted(self, limit: str) -> bool:
        """Return whether somebody waits for units of a limit."""
        return limit in self._lanes_of

    def ahead(self, limit: str, turn: Turn) -> int:
        """Return how many that wait for units of a limit have got none, and come before this."""
        lanes = self._lanes_of.get(limit, ())
        before = sum(bisect_left(self._lanes[lane], turn, key=_turn) for lane in lanes)
        granted = [each for job in self.granted(limit) if (each := self.requests.get(job))]
        return before - sum(limit in each.units and each.turn < turn for each in granted)

    def runs_waiting(self, limit: str) -> Iterable[str]:
        """Return the runs whose tasks wait for units of a limit."""
        lanes = self._lanes_of.get(limit, ())
        return {request.run: None for lane in lanes for request in self._lanes[lane]}

    def around(self, limit: str) -> tuple[list[Sequence[UnitRequest]], Collection[str]]:
        """Return the lanes of a limit, and of the limits in these, and so on; and all the limits.

        Each lane is in the order in which its attempts get units.
        """
        lanes: dict[Lane, None] = {}
        names, queue = {limit: None}, [limit]
        while queue:
            for lane in self._lanes_of.get(queue.pop(), ()):
                if lane not in lanes:
                    lanes[lane] = None
                    queue += [each for each in lane if each not in names]
                    names.update(dict.fromkeys(lane))
        return [self._lanes[lane] for lane in lanes], names

    def put(self, run: str, requests: Iterable[UnitRequest]) -> None:
        """Note for what the attempts of a run wait now."""
        old = self._runs.get(run, {})
        # Nobody else makes Jobs of these names: whoever claims for one second is a fake.
        new = {each.job: each for each in requests if self._run_of(each.job) in (None, run)}
        for job, request in old.items():
            if new.get(job) != request:
                self._remove(request)
        for job, request in new.items():
            if old.get(job) != request:
                self._add(request)
        if new:
            self._runs[run] = new
        else:
            self._runs.pop(run, None)

    def put_limit(self, name: str, limit: RateLimit | None) -> None:
        """Note what a limit is now; None if it cannot be read."""
        old, old_granted = self._limits.get(name), self.granted(name)
        grants = limit.status.grants if limit and limit.status else ()
        self._limits[name] = limit
        self._granted[name] = {each.job: each.units for each in grants}
        if limit is None or old is None or old.spec != limit.spec:
            self._wake_around(name)
        for job in self._granted[name].keys() - old_granted.keys():
            request = self.requests.get(job)
            if request is not None and name in request.units:
                self._note_grant(request)

    def drop_limit(self, name: str) -> None:
        """A limit is gone."""
        self._limits.pop(name, None)
        self._granted.pop(name, None)
        self._wake_around(name)

    def decide(self, limit: str, granted: Collection[str]) -> int:
        """A limit has decided; return how many of those that were new to it have to wait."""
        new = self._undecided.pop(limit, {})
        return sum(job not in granted for job in new)

    def settle(self) -> tuple[Iterable[str], Iterable[str], int]:
        """Return the limits and the runs to be woken, and how many grants were new."""
        found = self._woken_limits, self._woken_runs, self._new_grants
        self._woken_limits, self._woken_runs, self._new_grants = {}, {}, 0
        return found

    def _run_of(self, job: str) -> str | None:
        known = self.requests.get(job)
        return known.run if known else None

    def _wake_around(self, limit: str) -> None:
        for lane in self._lanes_of.get(limit, ()):
            self._woken_limits.update(dict.fromkeys(lane))

    def _note_grant(self, request: UnitRequest) -> None:
        """Wake the other limits of an attempt that is granted units; once all are, its run."""
        self._new_grants += 1
        if self.has_all(request):
            self._woken_runs[request.run] = None
        for limit in request.lane:
            if request.job not in self.granted(limit):
                self._woken_limits[limit] = None

    def _add(self, request: UnitRequest) -> None:
        self.requests[request.job] = request
        insort(self._lanes.setdefault(request.lane, []), request, key=_turn)
        for limit in request.lane:
            self._lanes_of.setdefault(limit, {})[request.lane] = None
            self._woken_limits[limit] = None
        self._undecided.setdefault(request.lane[0], {})[request.job] = None

    def _remove(self, request: UnitRequest) -> None:
        del self.requests[request.job]
        queue = self._lanes[request.lane]
        del queue[bisect_left(queue, request.turn, key=_turn)]
        self._undecided.get(request.lane[0], {}).pop(request.job, None)
        for limit in request.lane:
            granted = self.granted(limit)
            # An attempt that has started had its units: that it waits no more changes nothing.
            if request.job not in granted or len(granted) >= MAX_GRANTS:
                self._woken_limits[limit] = None
            if not queue:
                lanes = self._lanes_of[limit]
                del lanes[request.lane]
                if not lanes:
                    del self._lanes_of[limit]
        if not queue:
            del self._lanes[request.lane]


_EMPTY = UnitQueues()


class RateLimitIndex:
    """The rate limits of all namespaces, and who waits for their units."""

    def __init__(self) -> None:
        self._queues: dict[str, UnitQueues] = {}
        self._wake_limit: Wake | None = None
        self._wake_run: Wake | None = None
        self.grants = 0
        """How often units were granted since the start."""
        self.waits = 0
        """How often an attempt found too few units since then."""

    def start(self, wake_limit: Wake, wake_run: Wake) -> None:
        """Everything is known: from now on, what a change concerns is woken."""
        self._wake_limit, self._wake_run = wake_limit, wake_run

    def of(self, namespace: str) -> UnitQueues:
        """Return the limits of a namespace, and who waits there."""
        return self._queues.get(namespace, _EMPTY)

    def count(self) -> int:
        """Return how many attempts wait for units."""
        return sum(len(each.requests) for each in self._queues.values())

    def observe_run(self, run: JsonObject) -> None:
        """A run was seen, with the claims that its status holds."""
        namespace, name = run["metadata"]["namespace"], run["metadata"]["name"]
        stored = run.get("status", {}).get("rateLimits")
        if stored or self.of(namespace).knows(name):
            queues = self._queues.setdefault(namespace, UnitQueues())
            queues.put(name, () if is_over(run) else _requests_of(name, stored))
            self._settle(namespace)

    def forget_run(self, namespace: str, name: str) -> None:
        """A run is gone."""
        if self.of(namespace).knows(name):
            self._queues[namespace].put(name, ())
            self._settle(namespace)

    def observe_limit(self, limit: JsonObject) -> None:
        """A RateLimit was seen."""
        namespace, name = limit["metadata"]["namespace"], limit["metadata"]["name"]
        self._queues.setdefault(namespace, UnitQueues()).put_limit(name, _readable(limit))
        self._settle(namespace)

    def forget_limit(self, namespace: str, name: str) -> None:
        """A RateLimit is gone."""
        if namespace in self._queues:
            self._queues[namespace].drop_limit(name)
            self._settle(namespace)

    def count_decision(self, namespace: str, limit: str, granted: Collection[str]) -> None:
        """Count who has to wait after a decision of a limit that has granted units to these."""
        if namespace in self._queues:
            self.waits += self._queues[namespace].decide(limit, granted)

    def _settle(self, namespace: str) -> None:
        queues = self._queues[namespace]
        limits, runs, grants = queues.settle()
        if queues.is_empty:
            del self._queues[namespace]
        if self._wake_limit is None or self._wake_run is None:
            return
        self.grants += grants
        for each in limits:
            self._wake_limit(namespace, each)
        for each in runs:
            self._wake_run(namespace, each)


def turn_of(claim: RateLimitClaim) -> Turn:
    """Return by what an attempt with such claims is sorted."""
    return (claim.since - (claim.priority - 1) * HEAD_START).timestamp(), claim.job


def _readable(limit: JsonObject) -> RateLimit | None:
    """Return a RateLimit; None if it cannot be read, as another version may have written it."""
    try:
        return RateLimit.model_validate(limit)
    except ValidationError:
        return None


def _turn(request: UnitRequest) -> Turn:
    return request.turn


def _requests_of(run: str, stored: object) -> list[UnitRequest]:
    """Return for what the attempts of a run wait, as its status says; of an unreadable one none."""
    try:
        claims = _CLAIMS.validate_python(stored or ())
    except ValidationError:
        return []
    by_job: dict[str, list[RateLimitClaim]] = {}
    for claim in claims:
        by_job.setdefault(claim.job, []).append(claim)
    return [
        UnitRequest(run, job, turn_of(each[0]), {claim.limit: claim.units for claim in each})
        for job, each in by_job.items()
    ]
