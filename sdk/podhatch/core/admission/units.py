"""Who waits for units of the rate limits of a namespace, and who is to have them.

The truth is in `status.rateLimits` of the runs, which claim units, and in `status.grants` of the
RateLimits. What is decided between the two is in memory: an attempt that is to have its units has
them reserved in all its limits, until each has written down its own part.

Attempts that need units of exactly the same limits form a lane, in which they wait in order: by the
time since which they wait, with a head start for a higher priority. Each lane is parked at the
first of its limits that has too few units for its head, or none left by those before it. It is only
looked at again when something changes there. So a decision costs what it changes, however many
wait. For a head that has let others go first `MAX_PASSES` times, because another of its limits had
too few units each time, units are kept, first of the limit with the longest window, and once there
are enough, of the next. So units that are kept stand idle no longer than until limits with shorter
windows have enough for it.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from heapq import heapify, heappop, heapreplace

from podhatch.api.rate_limit import MAX_GRANTS, RateLimit
from podhatch.core.admission.buckets import (
    Bucket,
    Buckets,
    LaneKey,
    LimitState,
    Parked,
    Turn,
    UnitRequest,
)
from podhatch.core.admission.slots import MAX_PASSES, take_out, through_first


@dataclass
class _Lane:
    """Those that wait for units of the same limits, and are not to have them yet."""

    limits: LaneKey
    queue: list[UnitRequest] = field(default_factory=list[UnitRequest])
    too_large: dict[str, UnitRequest] = field(default_factory=dict[str, UnitRequest])
    """Those that need more than a limit ever has, by their Jobs: they keep nobody from going on."""
    passes: int = 0
    """How often the head has let others go first since the last one got its units."""
    parked: tuple[str, Parked] | None = None
    kept_in: LaneKey = ()
    """The limits that keep units for its head."""


class UnitQueues:
    """The rate limits of one namespace, and who waits for their units."""

    def __init__(self, decided: Callable[[], None] = lambda: None) -> None:
        self.requests: dict[str, UnitRequest] = {}
        """By the names of the attempts' Jobs."""
        self._decided = decided
        """Called after each decision."""
        self._runs: dict[str, dict[str, UnitRequest]] = {}
        """The same by run, then by Job."""
        self._limits: dict[str, LimitState] = {}
        """Those that exist, and those that somebody needs."""
        self._lanes: dict[LaneKey, _Lane] = {}
        self._touched: dict[str, None] = {}
        """Limits in which something has changed since the last decision."""
        self._partly: dict[str, None] = {}
        """Jobs of attempts to which an earlier operator has granted something."""
        self._undecided: dict[str, None] = {}
        """Jobs of attempts that are new since the last decision."""
        self._woken_limits: dict[str, None] = {}
        self._woken_runs: dict[str, None] = {}
        self._new_grants = self._new_waits = 0

    @property
    def is_empty(self) -> bool:
        """Whether there are neither limits nor anybody who waits."""
        return not self._limits

    def knows(self, run: str) -> bool:
        """Return whether some attempt of a run waits."""
        return run in self._runs

    def limit(self, name: str) -> RateLimit | None:
        """Return a limit; None if there is none, or it cannot be read."""
        return self._limit(name).stored

    def has_limit(self, name: str) -> bool:
        """Return whether a limit exists; perhaps it cannot be read."""
        return self._limit(name).exists

    def granted(self, limit: str) -> Mapping[str, int]:
        """Return the units that a limit has granted, by its status, by the Job of the attempt."""
        return self._limit(limit).granted

    def has_all(self, request: UnitRequest) -> bool:
        """Return whether an attempt is granted all that it needs."""
        needs = request.units.items()
        return all(self.granted(limit).get(request.job) == units for limit, units in needs)

    def is_wanted(self, limit: str) -> bool:
        """Return whether somebody waits for units of a limit."""
        return bool(self._limit(limit).queue)

    def ahead(self, limit: str, turn: Turn) -> int:
        """Return how many that wait for units of a limit have got none, and come before this."""
        known = self._limit(limit)
        granted = [each for job in known.granted if (each := self.requests.get(job))]
        before = sum(limit in each.units and each.turn < turn for each in granted)
        return bisect_left(known.queue, turn) - before

    def runs_waiting(self, limit: str) -> Iterable[str]:
        """Return the runs whose tasks wait for units of a limit."""
        return {self.requests[job].run: None for _, job in self._limit(limit).queue}

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

    def put_limit(self, name: str, stored: RateLimit | None) -> None:
        """Note what a limit is now; None if it cannot be read."""
        limit = self._limits.setdefault(name, LimitState())
        old, old_granted = limit.stored, limit.granted
        grants = stored.status.grants if stored and stored.status else ()
        limit.exists, limit.stored = True, stored
        limit.granted = {each.job: each.units for each in grants}
        if stored is None:
            self._close(name, limit)
        elif old is None or old.spec != stored.spec:
            self._touch(name)
            self._size_up_again(limit)
        for job in limit.granted.keys() - old_granted.keys():
            request = self.requests.get(job)
            if request is not None and name in request.units:
                self._note_grant(name, request)

    def drop_limit(self, name: str) -> None:
        """A limit is gone."""
        limit = self._limits.get(name)
        if limit is not None:
            limit.exists, limit.stored, limit.granted = False, None, {}
            self._close(name, limit)
            self._forget_unused(name)

    def decide(self, name: str, now: datetime) -> Bucket | None:
        """Give units to those that wait, and return the bucket of this limit."""
        buckets = Buckets(self._limits, self.requests, now)
        self._touched[name] = None
        self._complete(buckets)
        for each in [*self._touched]:
            self._take_back(each, buckets)
        self._serve_touched(buckets)
        self._new_waits += sum(
            job not in limit.reserved
            for job in self._undecided
            for limit in [self._limits[self.requests[job].lane[0]]]
        )
        self._undecided.clear()
        self._woken_limits.pop(name, None)
        self._decided()
        return buckets.of(name)

    def settle(self) -> tuple[Iterable[str], Iterable[str], int, int]:
        """Return the limits and the runs to be woken, and how many grants and waits were new."""
        found = self._woken_limits, self._woken_runs, self._new_grants, self._new_waits
        self._woken_limits, self._woken_runs = {}, {}
        self._new_grants = self._new_waits = 0
        return found

    def _limit(self, name: str) -> LimitState:
        return self._limits.get(name, _NO_LIMIT)

    def _run_of(self, job: str) -> str | None:
        known = self.requests.get(job)
        return known.run if known else None

    def _touch(self, limit: str) -> None:
        self._touched[limit] = self._woken_limits[limit] = None

    # What changes.

    def _add(self, request: UnitRequest) -> None:
        self.requests[request.job] = request
        for name in request.lane:
            insort(self._limits.setdefault(name, LimitState()).queue, request.turn)
        self._undecided[request.job] = None
        if any(request.job in self.granted(limit) for limit in request.lane):
            self._look_first_at(request)
        else:
            self._line_up(request)

    def _remove(self, request: UnitRequest) -> None:
        job = request.job
        if not self._release(request):
            self._take_out(request)
        del self.requests[job]
        self._undecided.pop(job, None)
        for name in request.lane:
            take_out(self._limits[name].queue, request.turn)
            self._forget_unused(name)

    def _release(self, request: UnitRequest) -> bool:
        """Reserve nothing any more for an attempt; return whether anything was."""
        job = request.job
        if job not in self._limits[request.lane[0]].reserved:
            return False
        for name in request.lane:
            limit = self._limits[name]
            del limit.reserved[job]
            # One that has started had its units: that it waits no more changes nothing.
            if job not in limit.granted or len(limit.reserved) >= MAX_GRANTS - 1:
                self._touch(name)
        return True

    def _line_up(self, request: UnitRequest) -> None:
        """Put an attempt in its lane. Behind another it waits; as the head it is looked at."""
        lane = self._lanes.get(request.lane)
        if lane is None:
            lane = self._lanes[request.lane] = _Lane(request.lane)
            for name in request.lane:
                self._limits[name].lanes[request.lane] = None
        insort(lane.queue, request, key=_turn)
        if lane.queue[0] is request:
            self._park(lane, lane.parked[0] if lane.parked else self._place_for(lane))

    def _take_out(self, request: UnitRequest) -> None:
        """Take an attempt that has no units out of its lane, or wherever it is."""
        self._partly.pop(request.job, None)
        lane = self._lanes.get(request.lane)
        if lane is None:
            return
        place = bisect_left(lane.queue, request.turn, key=_turn)
        if place < len(lane.queue) and lane.queue[place].job == request.job:
            del lane.queue[place]
            if place == 0:
                assert lane.parked is not None
                self._park(lane, lane.parked[0])
        else:
            lane.too_large.pop(request.job, None)
        self._forget_empty(lane)

    def _place_for(self, lane: _Lane) -> str:
        """Return where a lane waits: if a limit does not exist, there, where it is in no way."""
        missing = (each for each in lane.limits if self._limits[each].stored is None)
        return next(missing, lane.limits[0])

    def _park(self, lane: _Lane, at: str) -> None:
        """Have a lane wait at a limit in place of another, and both looked at."""
        if lane.parked is not None:
            self._touch(lane.parked[0])
        self._move(lane, at)
        self._touch(at)

    def _move(self, lane: _Lane, at: str) -> None:
        """Have a lane wait at a limit, in the place of its head; an empty lane waits nowhere."""
        if lane.parked is not None:
            old, entry = lane.parked
            take_out(self._limits[old].parked, entry)
            lane.parked = None
            for name in lane.kept_in:
                take_out(self._limits[name].kept_for, entry)
                self._touch(name)
            lane.kept_in = ()
        if lane.queue:
            entry = lane.queue[0].turn, lane.limits
            lane.parked = at, entry
            insort(self._limits[at].parked, entry)

    def _forget_empty(self, lane: _Lane) -> None:
        if not lane.queue and not lane.too_large:
            del self._lanes[lane.limits]
            for name in lane.limits:
                del self._limits[name].lanes[lane.limits]

    def _forget_unused(self, name: str) -> None:
        limit = self._limits[name]
        if not limit.exists and not limit.queue:
            del self._limits[name]

    def _close(self, name: str, limit: LimitState) -> None:
        """Give nobody units of a limit that is gone; who needs it waits there, in nobody's way."""
        for job in [*limit.reserved]:
            request = self.requests[job]
            self._release(request)
            self._line_up(request)
            for each in request.lane:
                self._touch(each)
        for key in limit.lanes:
            if self._lanes[key].queue:
                self._park(self._lanes[key], name)

    def _size_up_again(self, limit: LimitState) -> None:
        """Look again at all that need a limit, which may have units enough now, or too few ever."""
        for key in [*limit.lanes]:
            lane = self._lanes[key]
            waiting, lane.too_large = lane.too_large, {}
            for request in waiting.values():
                self._line_up(request)
            assert lane.parked is not None
            self._touch(lane.parked[0])

    def _note_grant(self, name: str, request: UnitRequest) -> None:
        """Wake the run of an attempt that is granted all its units; complete what is not ours."""
        self._new_grants += 1
        if self.has_all(request):
            self._woken_runs[request.run] = None
        if request.job not in self._limits[name].reserved and request.job not in self._partly:
            self._take_out(request)
            self._look_first_at(request)

    def _look_first_at(self, request: UnitRequest) -> None:
        self._partly[request.job] = None
        for name in request.lane:
            self._touch(name)

    # What is decided.

    def _complete(self, buckets: Buckets) -> None:
        """Give the rest to those that have a part of their units, or take the part back.

        They are first, since another limit may be about to write down what it has granted.
        """
        found = [self.requests[job] for job in self._partly]
        self._partly.clear()
        for request in filter(self.has_all, found):
            self._reserve(request, buckets)
        for request in sorted(found, key=_turn):
            if self.has_all(request):
                continue
            needs = buckets.needed(request)
            if needs and all(bucket.has_for(units) for bucket, units in needs):
                self._reserve(request, buckets)
            else:
                self._line_up(request)

    def _take_back(self, name: str, buckets: Buckets) -> None:
        """Take back what is not written yet, if there are not so many units any more."""
        bucket = buckets.of(name)
        while bucket is not None and bucket.used > bucket.limit:
            granted = self._limits[name].granted
            unwritten = [self.requests[job] for job in bucket.grants if job not in granted]
            if not unwritten:
                return
            last = max(unwritten, key=_turn)
            for each, _ in buckets.needed(last):
                each.take_back(last.job)
            for each in last.lane:
                self._touch(each)
            self._line_up(last)

    def _serve_touched(self, buckets: Buckets) -> None:
        """Serve the lanes at all limits in which something has changed, in order."""
        while self._touched:
            lines = [
                (limit.parked[0], name)
                for name in self._touched
                if (limit := self._limits.get(name)) and limit.parked
            ]
            self._touched.clear()
            heapify(lines)
            while lines:
                entry, name = lines[0]
                parked = self._limits[name].parked
                if parked and parked[0] != entry:
                    heapreplace(lines, (parked[0], name))
                elif not parked or self._is_held_up(self._lanes[entry[1]], name, buckets):
                    heappop(lines)

    def _is_held_up(self, lane: _Lane, name: str, buckets: Buckets) -> bool:
        """Serve the head of a lane, or have it wait; return whether it waits at this limit."""
        request = lane.queue[0]
        needs = buckets.needed(request)
        blocking: str | None = None
        if not needs:
            blocking = self._place_for(lane)
        elif any(units > bucket.limit for bucket, units in needs):
            lane.too_large[request.job] = lane.queue.pop(0)
        else:
            limits = (name, *request.lane)
            blocking = next((each for each in limits if self._is_short(lane, each, buckets)), None)
            if blocking is None:
                lane.passes = 0
                self._reserve(lane.queue.pop(0), buckets)
                blocking = self._used_up(lane, name, buckets)
            else:
                lane.passes += blocking != name
        if blocking != name:
            self._move(lane, blocking or name)
        if needs and blocking and lane.passes >= MAX_PASSES and not lane.kept_in:
            self._keep(lane, needs, buckets)
        self._forget_empty(lane)
        return blocking == name

    def _keep(self, lane: _Lane, needs: Iterable[tuple[Bucket, int]], buckets: Buckets) -> None:
        """Keep units for the head of a lane in its limits, up to the first that has too few."""
        assert lane.parked is not None
        longest_first = sorted(needs, key=lambda each: each[0].duration, reverse=True)
        limits = (bucket.name for bucket, _ in longest_first)
        lane.kept_in = through_first(lambda each: self._is_short(lane, each, buckets), limits)
        for name in lane.kept_in:
            insort(self._limits[name].kept_for, lane.parked[1])

    def _used_up(self, lane: _Lane, name: str, buckets: Buckets) -> str | None:
        """Return a limit, but this one, that has too few units now for the next of a lane."""
        for request in lane.queue[:1]:
            for bucket, units in buckets.needed(request):
                if bucket.name != name and bucket.left < units <= bucket.limit:
                    return bucket.name
        return None

    def _is_short(self, lane: _Lane, name: str, buckets: Buckets) -> bool:
        """Return whether a limit has too few units for a lane, or those before it need them."""
        parked, bucket = self._limits[name].parked, buckets.of(name)
        assert lane.parked is not None
        assert bucket is not None
        is_behind = bool(parked) and parked[0] < lane.parked[1]
        kept = self._kept_before(lane.parked[1], name)
        return is_behind or not bucket.has_for(lane.queue[0].units[name] + kept)

    def _kept_before(self, entry: Parked, name: str) -> int:
        """Return how many units of a limit are kept for those before a lane."""
        kept_for = self._limits[name].kept_for
        before = (self._lanes[key].queue[0] for _, key in kept_for[: bisect_left(kept_for, entry)])
        return sum(request.units[name] for request in before)

    def _reserve(self, request: UnitRequest, buckets: Buckets) -> None:
        for name, units in request.units.items():
            bucket = buckets.of(name)
            assert bucket is not None
            bucket.grant(request.job, units)
            if self._limits[name].granted.get(request.job) != units:
                self._woken_limits[name] = None


_NO_LIMIT = LimitState()


def _turn(request: UnitRequest) -> Turn:
    return request.turn
