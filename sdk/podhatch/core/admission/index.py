"""Who holds the slots of concurrency limits, who waits for one, and whose turn it is.

The truth is in `status.concurrency` of the runs. The index is made of it: the cache tells it of
each run, and a plan, in the same step in which it is made, what the run claims from now on. So a
slot that was granted is taken before its status is written, and an operator that starts finds the
same holders.

Claims that are given up while nothing of a run has a pod are left out. What resumes waits like any
other, in the place of its first claim; but it is not new, so that no strategy cancels it because it
has to wait.

Claimants with exactly the same groups form a lane, in which they wait in order: by the time since
which they wait, with a head start for a higher priority. Lanes that want a slot of the same group
take turns: first comes the one that was served, or began to wait, before the others. Each lane is
parked in the first of its groups that has no free slot, and only looked at again when that group
has one. A free slot is offered to the next in line, who is told; the offer is good until it is
taken, or the claim ends.

A lane whose turn it is in one group, while another of its groups is full, lets those behind it go
first, but not for ever: after `MAX_PASSES` times slots are kept for it, first of the group that has
offered the fewest, and once there is one, of the next. So a slot that is kept stands idle no longer
than until groups that offer more have a slot for the lane, and nobody is starved: only lanes before
it, which are not replaced once they are served, keep it from the slots that its groups free.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from pydantic import ValidationError

from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.api.model import JsonObject
from podhatch.api.run import has_ended
from podhatch.core.admission.slots import (
    MAX_PASSES,
    Claimant,
    GroupKey,
    LaneKey,
    Parked,
    SlotGroup,
    SlotLane,
    SlotRequest,
    take_out,
    through_first,
)

Place = tuple[str, str]
"""Namespace and name of a run."""
Wake = Callable[[str, str], None]
"""Has a run planned again, by namespace and name."""


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


class AdmissionIndex:
    """The claims of all runs, by their groups."""

    def __init__(self) -> None:
        self._requests: dict[Place, dict[str, SlotRequest]] = {}
        self._groups: dict[GroupKey, SlotGroup] = {}
        self._lanes: dict[LaneKey, SlotLane] = {}
        self._served = 0
        """How often lanes were served."""
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
        if held:
            return sum(len(each.holders) for each in groups)
        return sum(len(each.queue) + len(each.offered) for each in groups)

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
                asked |= before is None or not after.wants(before.claims)
        if new:
            self._requests[place] = new
        else:
            self._requests.pop(place, None)
        self._settle()
        if self._wake:
            self._count(old or {}, new)
        return asked

    def _count(self, old: Mapping[str, SlotRequest], new: Mapping[str, SlotRequest]) -> None:
        for task, request in new.items():
            before = old.get(task)
            if request.is_held:
                self.grants += before is None or not before.is_held
            elif before is None or not request.wants(before.claims):
                self.waits += not self._is_offered(request)

    def _is_offered(self, request: SlotRequest) -> bool:
        return all(request.claimant in self._groups[key].offered for key in request.groups)

    def standing(
        self, place: Place, task: str, claims: Sequence[ConcurrencyClaim] | None = None
    ) -> ClaimStanding | None:
        """Return where a run (of the task "") or a task stands.

        None if it claims nothing, or something else than this: its limits may have been edited.
        """
        request = self._requests.get(place, {}).get(task)
        if request is None or (claims is not None and not request.wants(claims)):
            return None
        groups = [(key, self._groups[key]) for key in request.groups]
        claimant = request.claimant
        is_admitted = request.is_held or self._is_offered(request)
        entry = None if is_admitted else self._entry_of(request)
        blocking = next(
            (key for key, group in groups if not group.has_room_for(entry)), request.groups[0]
        )
        group = self._groups[blocking]
        takers = self._takers(group, entry)
        ahead = 0 if is_admitted else bisect_left(group.queue, (request.turn, claimant))
        return ClaimStanding(
            is_admitted=is_admitted,
            is_surplus=request.is_held and any(group.is_overfull for _, group in groups),
            superseded_by=self._superseded_by(request, entry, is_admitted=is_admitted),
            place=request.claims.index(request.by_group[blocking]),
            max_runs=group.max_runs,
            taken_by=tuple(map(_name, takers[:4])),
            taken=len(takers),
            ahead=ahead,
        )

    def _entry_of(self, request: SlotRequest) -> Parked | None:
        lane = self._lanes.get(request.groups)
        return lane.parked[1] if lane and lane.parked else None

    def _takers(self, group: SlotGroup, entry: Parked | None) -> list[Claimant]:
        """Return who takes the slots of a group before a lane, or has them kept."""
        kept = (self._lanes[groups].queue[0][1] for _, _, groups in group.kept_before(entry))
        return [*group.holders, *group.offered, *kept]

    def _superseded_by(
        self, request: SlotRequest, entry: Parked | None, *, is_admitted: bool
    ) -> str | None:
        """Return because of whom a claimant is to be cancelled, by the strategies of its claims.

        What has started is cancelled by CANCEL_IN_PROGRESS alone.
        """
        has_started = request.is_held or request.resumes
        for key, claim in request.by_group.items():
            group = self._groups[key]
            other: Claimant | None = None
            match claim.strategy:
                case "CANCEL_IN_PROGRESS":
                    if group.newer_than(request) >= group.max_runs:
                        _, other = group.members[-1]
                case "CANCEL_NEWEST":
                    if not (has_started or is_admitted) and not group.has_room_for(entry):
                        other = next(iter(self._takers(group, entry)), None)
                case "CANCEL_QUEUED_EXCEPT_NEWEST":
                    other = None if has_started else next(group.newcomers(), None)
                case "CANCEL_QUEUED_EXCEPT_OLDEST":
                    other = None if has_started or is_admitted else group.oldest_newcomer()
                case _:  # GROUP_ROUND_ROBIN: it waits
                    pass
            if other not in (None, request.claimant):
                return _name(other)
        return None

    def _add(self, request: SlotRequest) -> None:
        claimant = request.claimant
        for key, claim in request.by_group.items():
            group = self._groups.setdefault(key, SlotGroup())
            slots_before = group.max_runs if group.members else claim.max_runs
            insort(group.members, (request.age, claimant))
            group.slots[claimant] = claim.max_runs
            if request.is_held:
                group.holders[claimant] = None
            else:
                insort(group.queue, (request.turn, claimant))
                if request.resumes:
                    group.resuming[claimant] = None
            self._wake_superseded(group, claim, claimant, slots_before)
            self._touched[key] = None
        if not request.is_held:
            self._queue(request, request.groups[0])

    def _wake_superseded(
        self, group: SlotGroup, claim: ConcurrencyClaim, claimant: Claimant, slots_before: int
    ) -> None:
        """Wake those that a new claim may have cancelled: whoever came before has been woken."""
        found: Iterable[Claimant] = ()
        if claim.strategy == "CANCEL_IN_PROGRESS":
            too_many = max(len(group.members) - group.max_runs, 0)
            first = 0 if group.max_runs < slots_before else max(too_many - 1, 0)
            found = (each for _, each in group.members[first:too_many])
        elif claim.strategy == "CANCEL_QUEUED_EXCEPT_NEWEST":
            found = islice(group.newcomers(), 2)
        self._woken.update((each, None) for each in found if each != claimant)

    def _remove(self, request: SlotRequest) -> None:
        claimant = request.claimant
        in_lane = not request.is_held
        for key in request.groups:
            group = self._groups[key]
            take_out(group.members, (request.age, claimant))
            del group.slots[claimant]
            group.resuming.pop(claimant, None)
            if request.is_held:
                del group.holders[claimant]
            elif claimant in group.offered:
                del group.offered[claimant]
                in_lane = False
            else:
                take_out(group.queue, (request.turn, claimant))
            self._touched[key] = None
        if in_lane:
            lane = self._lanes[request.groups]
            take_out(lane.queue, (request.turn, claimant))
            self._park(lane, lane.parked[0] if lane.parked else request.groups[0])
        for key in request.groups:
            if not self._groups[key].members:
                del self._groups[key]

    def _queue(self, request: SlotRequest, at: GroupKey) -> None:
        """Put a claimant in its lane, and the lane at this group if it is nowhere yet."""
        lane = self._lanes.setdefault(request.groups, SlotLane(request.groups, served=self._served))
        insort(lane.queue, (request.turn, request.claimant))
        self._park(lane, lane.parked[0] if lane.parked else at)

    def _park(self, lane: SlotLane, at: GroupKey) -> None:
        """Have a lane wait at this group, in its place there; an empty lane is no more."""
        self._take_out_of_line(lane)
        if not lane.queue:
            del self._lanes[lane.groups]
            return
        entry = (lane.served, lane.queue[0][0], lane.groups)
        insort(self._groups[at].parked, entry)
        lane.parked = at, entry
        if lane.passes >= MAX_PASSES:
            lane.kept_in = self._to_keep(entry)
            for each in lane.kept_in:
                insort(self._groups[each].kept_for, entry)

    def _to_keep(self, entry: Parked) -> LaneKey:
        """Return the groups that keep a slot for a lane: all up to the first that has none now."""
        rarest_first = sorted(entry[-1], key=lambda each: self._groups[each].offers)
        return through_first(lambda each: not self._groups[each].has_room_for(entry), rarest_first)

    def _take_out_of_line(self, lane: SlotLane) -> None:
        if lane.parked is None:
            return
        at, entry = lane.parked
        take_out(self._groups[at].parked, entry)
        lane.parked = None
        for each in lane.kept_in:
            take_out(self._groups[each].kept_for, entry)
            self._touched[each] = None
        lane.kept_in = ()

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

    def _take_back(self, key: GroupKey, group: SlotGroup) -> None:
        """Take back offers of slots that are not there any more, from the last in line."""
        while group.offered and group.taken > group.max_runs:
            last = max((self._request(each) for each in group.offered), key=lambda each: each.turn)
            for each in last.groups:
                del self._groups[each].offered[last.claimant]
                insort(self._groups[each].queue, (last.turn, last.claimant))
                self._touched[each] = None
            self._queue(last, key)

    def _offer_free(self, key: GroupKey, group: SlotGroup) -> None:
        while group.parked and group.has_room_for(entry := group.parked[0]):
            lane = self._lanes[entry[-1]]
            blocking = next(
                (each for each in lane.groups if not self._groups[each].has_room_for(entry)), None
            )
            if blocking is None:
                self._offer(lane, key)
            else:
                self._pass(lane, blocking)

    def _pass(self, lane: SlotLane, blocking: GroupKey) -> None:
        """Let those behind a lane go first, as it has no slot in another group."""
        _, first = lane.queue[0]
        if self._request(first).by_group[blocking].strategy == "CANCEL_NEWEST":
            self._woken[first] = None
        lane.passes += 1
        self._park(lane, blocking)

    def _offer(self, lane: SlotLane, key: GroupKey) -> None:
        """Offer slots to the first of a lane, which goes on waiting at a group."""
        turn, claimant = lane.queue.pop(0)
        for each in lane.groups:
            group = self._groups[each]
            take_out(group.queue, (turn, claimant))
            group.offered[claimant] = None
            group.offers += 1
        self._served += 1
        lane.served, lane.passes = self._served, 0
        self._park(lane, key)
        self._woken[claimant] = None

    def _request(self, claimant: Claimant) -> SlotRequest:
        return self._requests[claimant.namespace, claimant.run][claimant.task]


def _name(claimant: Claimant) -> str:
    return f"{claimant.run}/{claimant.task}" if claimant.task else claimant.run


def _by_task(place: Place, claims: Sequence[ConcurrencyClaim]) -> dict[str, SlotRequest]:
    grouped: dict[str, list[ConcurrencyClaim]] = {}
    for claim in claims:
        if claim.parked:
            continue
        kept = claim if claim.ahead is None else claim.model_copy(update={"ahead": None})
        grouped.setdefault(claim.task or "", []).append(kept)
    return {
        task: SlotRequest(Claimant(*place, task), tuple(claims)) for task, claims in grouped.items()
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
