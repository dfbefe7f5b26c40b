"""Who holds the slots of concurrency limits, who waits for one, and whose turn it is.

The truth is in `status.concurrency` of the runs. The index is made of it: the cache tells it of
each run, and a plan, in the same step in which it is made, what the run claims from now on. So a
slot that was granted is taken before its status is written, and an operator that starts finds the
same holders.

Claimants with exactly the same groups form a lane, in which they wait in order: by the time since
which they wait, with a head start for a higher priority. Lanes that want a slot of the same group
take turns. Each lane is parked in the first of its groups that has no free slot, and only looked at
again when that group has one. A free slot is offered to the next in line, who is told; the offer is
good until it is taken, or the claim ends.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import count, islice
from typing import NamedTuple, TypeVar

from pydantic import ValidationError

from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.api.model import JsonObject
from podhatch.api.run import has_ended

HEAD_START = timedelta(hours=1)
"""By how much a claim counts as older than one with the next lower priority."""
Place = tuple[str, str]
"""Namespace and name of a run."""
Wake = Callable[[str, str], None]
"""Has a run planned again, by namespace and name."""
Order = tuple[datetime, int, str, str]
"""Time, sequence, run and task."""


class Claimant(NamedTuple):
    """A run, or a task of it, that claims slots."""

    namespace: str
    run: str
    task: str
    """Empty for the run itself."""


class GroupKey(NamedTuple):
    """Names a group: those that share the slots of a limit."""

    namespace: str
    limit: str
    key: str


@dataclass(frozen=True)
class ClaimStanding:
    """Where a claimant stands in its groups."""

    is_admitted: bool
    """It holds all its slots, or they are offered to it."""
    is_surplus: bool
    """It holds a slot of a group in which more are held than there are."""
    superseded_by: str | None
    """It is to be cancelled, because of this other claimant or group."""
    place: int
    """Which of its claims is in the way, as an index; 0 if none is."""
    max_runs: int
    """The slots of that group."""
    taken_by: tuple[str, ...]
    """Some that hold them."""
    taken: int
    ahead: int
    """How many wait in that group before it."""


@dataclass(frozen=True)
class _Request:
    """All claims of one claimant, in the order of its limits."""

    claimant: Claimant
    claims: tuple[ConcurrencyClaim, ...]

    @property
    def is_held(self) -> bool:
        return self.claims[0].held

    @cached_property
    def by_group(self) -> dict[GroupKey, ConcurrencyClaim]:
        namespace = self.claimant.namespace
        return {GroupKey(namespace, each.limit, each.key): each for each in reversed(self.claims)}

    @cached_property
    def groups(self) -> tuple[GroupKey, ...]:
        """Its groups in the order of its claims."""
        return tuple(reversed(self.by_group))

    @cached_property
    def age(self) -> Order:
        """Sorts by the time since which it wants to run."""
        first = self.claims[0]
        return first.since, first.sequence, self.claimant.run, self.claimant.task

    @cached_property
    def turn(self) -> Order:
        """Sorts by the order in which they get slots."""
        since, sequence, run, task = self.age
        return since - (self.claims[0].priority - 1) * HEAD_START, sequence, run, task

    def wants_the_same(self, other: "_Request") -> bool:
        """Whether it wants what the other does, be it granted or not."""
        held = {"held": self.is_held}
        return self.claims == tuple(each.model_copy(update=held) for each in other.claims)


Lane = tuple[GroupKey, ...]
_InLine = tuple[Order, Claimant]
_Parked = tuple[int, Order, Lane]


@dataclass
class _Lane:
    """Those that wait for slots of the same groups and have no offer."""

    groups: Lane
    queue: list[_InLine] = field(default_factory=list[_InLine])
    served: int = 0
    """When it last got a slot, as a number that grows."""
    parked: tuple[GroupKey, _Parked] | None = None


@dataclass
class _Group:
    """Those that share the slots of a limit."""

    members: list[_InLine] = field(default_factory=list[_InLine])
    """All of them, the oldest first."""
    slots: dict[Claimant, int] = field(default_factory=dict[Claimant, int])
    """The size of the group as each member has it."""
    holders: dict[Claimant, None] = field(default_factory=dict[Claimant, None])
    offered: dict[Claimant, None] = field(default_factory=dict[Claimant, None])
    queue: list[_InLine] = field(default_factory=list[_InLine])
    """Those that hold no slot, in the order in which they get one, those with an offer too."""
    parked: list[_Parked] = field(default_factory=list[_Parked])
    """Lanes that wait for a slot here, in the order of their turns."""

    @property
    def max_runs(self) -> int:
        """The slots, as the newest member has them: what was deployed last counts."""
        return self.slots[self.members[-1][1]]

    @property
    def taken(self) -> int:
        return len(self.holders) + len(self.offered)

    @property
    def is_full(self) -> bool:
        return self.taken >= self.max_runs

    @property
    def is_overfull(self) -> bool:
        return len(self.holders) > self.max_runs

    def newer_than(self, request: _Request) -> int:
        """Return how many members are newer."""
        return len(self.members) - 1 - bisect_left(self.members, (request.age, request.claimant))

    def newest_waiting(self) -> Claimant | None:
        """Return the newest member that holds no slot."""
        waiting = (each for _, each in reversed(self.members) if each not in self.holders)
        return next(waiting, None)

    def oldest_waiting(self) -> Claimant | None:
        """Return the oldest member that neither holds a slot nor has the offer of one."""
        taken = self.holders.keys() | self.offered.keys()
        return next((each for _, each in self.members if each not in taken), None)


class AdmissionIndex:
    """The claims of all runs, by their groups."""

    def __init__(self) -> None:
        self._requests: dict[Place, dict[str, _Request]] = {}
        self._groups: dict[GroupKey, _Group] = {}
        self._lanes: dict[Lane, _Lane] = {}
        self._turns = count(1)
        self._touched: dict[GroupKey, None] = {}
        """Groups in which something has changed."""
        self._woken: dict[Claimant, None] = {}
        self._wake: Wake | None = None
        self.grants = 0
        """How often slots were granted since the start."""
        self.waits = 0
        """How often a claimant found no free slot since then."""

    def start(self, wake: Wake) -> None:
        """Everything is known: from now on slots are offered, and who gets one is woken."""
        self._wake = wake
        self._settle()

    def count(self, *, held: bool) -> int:
        """Return how many claims hold their slots, or wait."""
        groups = self._groups.values()
        return sum(len(each.holders if held else each.queue) for each in groups)

    def observe(self, run: JsonObject) -> None:
        """A run was seen, with the claims that its status holds."""
        place = run["metadata"]["namespace"], run["metadata"]["name"]
        stored = run.get("status", {}).get("concurrency")
        if stored or place in self._requests:
            self.put(place, () if has_ended(run) else _readable(stored or ()))

    def forget(self, place: Place) -> None:
        """A run is gone."""
        self.put(place, ())

    def put(self, place: Place, claims: Sequence[ConcurrencyClaim]) -> bool:
        """Note what a run and its tasks claim now. Return whether anything is asked for anew."""
        old = self._requests.get(place)
        if not claims and old is None:
            return False
        new = _by_task(place, claims)
        asked = False
        for task in [*(old or ()), *(task for task in new if task not in (old or ()))]:
            before, after = (old or {}).get(task), new.get(task)
            if before == after:
                continue
            if before:
                self._remove(before)
            if after:
                self._add(after)
                asked |= before is None or not after.wants_the_same(before)
        if new:
            self._requests[place] = new
        else:
            self._requests.pop(place, None)
        self._settle()
        if self._wake:
            self._count(old or {}, new)
        return asked

    def _count(self, old: Mapping[str, _Request], new: Mapping[str, _Request]) -> None:
        for task, request in new.items():
            before = old.get(task)
            if request.is_held:
                self.grants += before is None or not before.is_held
            elif before is None or not request.wants_the_same(before):
                self.waits += not self._is_offered(request)

    def _is_offered(self, request: _Request) -> bool:
        return all(request.claimant in self._groups[key].offered for key in request.groups)

    def standing(self, place: Place, task: str) -> ClaimStanding | None:
        """Return where a run (of the task "") or a task stands; None if it claims nothing."""
        request = self._requests.get(place, {}).get(task)
        if request is None:
            return None
        groups = [(key, self._groups[key]) for key in request.groups]
        claimant = request.claimant
        is_admitted = request.is_held or self._is_offered(request)
        blocking = next((key for key, group in groups if group.is_full), request.groups[0])
        group = self._groups[blocking]
        takers = [*group.holders, *group.offered][:4]
        before = 0
        if not request.is_held:
            before = bisect_left(group.queue, (request.turn, claimant)) - len(group.offered)
        return ClaimStanding(
            is_admitted=is_admitted,
            is_surplus=request.is_held and any(group.is_overfull for _, group in groups),
            superseded_by=self._superseded_by(request, is_admitted=is_admitted),
            place=request.claims.index(request.by_group[blocking]),
            max_runs=group.max_runs,
            taken_by=tuple(map(_name, takers)),
            taken=group.taken,
            ahead=max(before, 0),
        )

    def _superseded_by(self, request: _Request, *, is_admitted: bool) -> str | None:
        """Return because of whom a claimant is to be cancelled, by the strategies of its claims."""
        for key, claim in request.by_group.items():
            group = self._groups[key]
            other: Claimant | None = None
            match claim.strategy:
                case "CANCEL_IN_PROGRESS":
                    if group.newer_than(request) >= group.max_runs:
                        _, other = group.members[-1]
                case "CANCEL_NEWEST":
                    if not is_admitted and group.is_full:
                        other = next(iter([*group.holders, *group.offered]), None)
                case "CANCEL_QUEUED_EXCEPT_NEWEST":
                    other = None if request.is_held else group.newest_waiting()
                case "CANCEL_QUEUED_EXCEPT_OLDEST":
                    other = None if is_admitted else group.oldest_waiting()
                case _:  # GROUP_ROUND_ROBIN: it waits
                    pass
            if other not in (None, request.claimant):
                return _name(other)
        return None

    def _add(self, request: _Request) -> None:
        claimant = request.claimant
        for key, claim in request.by_group.items():
            group = self._groups.setdefault(key, _Group())
            slots_before = group.max_runs if group.members else claim.max_runs
            insort(group.members, (request.age, claimant))
            group.slots[claimant] = claim.max_runs
            if request.is_held:
                group.holders[claimant] = None
            else:
                insort(group.queue, (request.turn, claimant))
            self._wake_superseded(group, claim, claimant, slots_before)
            self._touched[key] = None
        if not request.is_held:
            self._queue(request, request.groups[0])

    def _wake_superseded(
        self, group: _Group, claim: ConcurrencyClaim, claimant: Claimant, slots_before: int
    ) -> None:
        """Wake those that a new claim may have cancelled: whoever came before has been woken."""
        found: Iterable[Claimant] = ()
        if claim.strategy == "CANCEL_IN_PROGRESS":
            too_many = max(len(group.members) - group.max_runs, 0)
            first = 0 if group.max_runs < slots_before else max(too_many - 1, 0)
            found = (each for _, each in group.members[first:too_many])
        elif claim.strategy == "CANCEL_QUEUED_EXCEPT_NEWEST":
            waiting = (each for _, each in reversed(group.members) if each not in group.holders)
            found = islice(waiting, 2)
        self._woken.update((each, None) for each in found if each != claimant)

    def _remove(self, request: _Request) -> None:
        claimant = request.claimant
        in_lane = not request.is_held
        for key in request.groups:
            group = self._groups[key]
            _take_out(group.members, (request.age, claimant))
            del group.slots[claimant]
            if request.is_held:
                del group.holders[claimant]
            else:
                _take_out(group.queue, (request.turn, claimant))
                if claimant in group.offered:
                    del group.offered[claimant]
                    in_lane = False
            self._touched[key] = None
        if in_lane:
            lane = self._lanes[request.groups]
            _take_out(lane.queue, (request.turn, claimant))
            self._park(lane, lane.parked[0] if lane.parked else request.groups[0])
        for key in request.groups:
            if not self._groups[key].members:
                del self._groups[key]

    def _queue(self, request: _Request, at: GroupKey) -> None:
        """Put a claimant in its lane, and the lane at this group if it is nowhere yet."""
        lane = self._lanes.setdefault(request.groups, _Lane(request.groups))
        insort(lane.queue, (request.turn, request.claimant))
        self._park(lane, lane.parked[0] if lane.parked else at)

    def _park(self, lane: _Lane, at: GroupKey) -> None:
        """Have a lane wait at this group, in its place there; an empty lane is no more."""
        if lane.parked:
            old, entry = lane.parked
            _take_out(self._groups[old].parked, entry)
            lane.parked = None
        if not lane.queue:
            del self._lanes[lane.groups]
            return
        entry = (lane.served, lane.queue[0][0], lane.groups)
        insort(self._groups[at].parked, entry)
        lane.parked = at, entry

    def _settle(self) -> None:
        """Offer the free slots of all groups in which something has changed."""
        if self._wake is None:
            return
        while self._touched:
            key, _ = self._touched.popitem()
            if group := self._groups.get(key):
                self._take_back(key, group)
                self._offer_free(key, group)
        woken, self._woken = self._woken, {}
        for claimant in woken:
            self._wake(claimant.namespace, claimant.run)

    def _take_back(self, key: GroupKey, group: _Group) -> None:
        """Take back offers of slots that are not there any more, from the last in line."""
        while group.offered and group.taken > group.max_runs:
            last = max((self._request(each) for each in group.offered), key=lambda each: each.turn)
            for each in last.groups:
                del self._groups[each].offered[last.claimant]
                self._touched[each] = None
            self._queue(last, key)

    def _offer_free(self, key: GroupKey, group: _Group) -> None:
        while group.parked and not group.is_full:
            lane = self._lanes[group.parked[0][-1]]
            blocking = next((each for each in lane.groups if self._groups[each].is_full), None)
            if blocking:
                _, first = lane.queue[0]
                if self._request(first).by_group[blocking].strategy == "CANCEL_NEWEST":
                    self._woken[first] = None
                self._park(lane, blocking)
                continue
            _, claimant = lane.queue.pop(0)
            for each in lane.groups:
                self._groups[each].offered[claimant] = None
            lane.served = next(self._turns)
            self._park(lane, key)
            self._woken[claimant] = None

    def _request(self, claimant: Claimant) -> _Request:
        return self._requests[claimant.namespace, claimant.run][claimant.task]


T = TypeVar("T", _InLine, _Parked)


def _take_out(line: list[T], item: T) -> None:
    """Remove an item from a sorted list."""
    place = bisect_left(line, item)
    assert line[place] == item
    del line[place]


def _name(claimant: Claimant) -> str:
    return f"{claimant.run}/{claimant.task}" if claimant.task else claimant.run


def _by_task(place: Place, claims: Sequence[ConcurrencyClaim]) -> dict[str, _Request]:
    grouped: dict[str, list[ConcurrencyClaim]] = {}
    for claim in claims:
        kept = claim if claim.ahead is None else claim.model_copy(update={"ahead": None})
        grouped.setdefault(claim.task or "", []).append(kept)
    return {
        task: _Request(Claimant(*place, task), tuple(claims)) for task, claims in grouped.items()
    }


def _readable(stored: Iterable[JsonObject]) -> list[ConcurrencyClaim]:
    """Return the claims of a status; another version of the operator may have written others."""
    found: list[ConcurrencyClaim] = []
    for each in stored:
        try:
            found.append(ConcurrencyClaim.model_validate(each))
        except ValidationError:
            continue
    return found
