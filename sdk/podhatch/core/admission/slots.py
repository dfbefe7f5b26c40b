"""The slots of concurrency limits: who holds them, and who waits for them in which line."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import NamedTuple, TypeVar

from podhatch.api.concurrency import ConcurrencyClaim

HEAD_START = timedelta(hours=1)
"""By how much a claim counts as older than one with the next lower priority."""
MAX_PASSES = 8
"""How often a lane lets others go first because another of its groups has no slot for it, or a
limit has too few units."""
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
class SlotRequest:
    """All claims of one claimant, in the order of its limits."""

    claimant: Claimant
    claims: tuple[ConcurrencyClaim, ...]

    @property
    def is_held(self) -> bool:
        """Whether it holds all its slots."""
        return self.claims[0].held

    @property
    def resumes(self) -> bool:
        """Whether it has held its slots before."""
        return self.claims[0].resumes

    @cached_property
    def by_group(self) -> dict[GroupKey, ConcurrencyClaim]:
        """Its claims; of two on the same group, the first."""
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

    def wants(self, claims: Sequence[ConcurrencyClaim]) -> bool:
        """Whether it wants this, be it granted or not."""
        standing = {"held": self.is_held, "resumes": self.resumes}
        return self.claims == tuple(each.model_copy(update=standing) for each in claims)


LaneKey = tuple[GroupKey, ...]
InLine = tuple[Order, Claimant]
Parked = tuple[int, Order, LaneKey]
"""A lane by the time when it was last served, and the turn of its head."""


@dataclass
class SlotLane:
    """Those that wait for slots of the same groups and have no offer."""

    groups: LaneKey
    queue: list[InLine] = field(default_factory=list[InLine])
    served: int = 0
    """When it last got a slot, or else when it began to wait, as a number that grows."""
    passes: int = 0
    """How often it has let others go first since then."""
    parked: tuple[GroupKey, Parked] | None = None
    kept_in: LaneKey = ()
    """The groups that keep a slot for it."""


@dataclass
class SlotGroup:
    """Those that share the slots of a limit."""

    members: list[InLine] = field(default_factory=list[InLine])
    """All of them, the oldest first."""
    slots: dict[Claimant, int] = field(default_factory=dict[Claimant, int])
    """The size of the group as each member has it."""
    holders: dict[Claimant, None] = field(default_factory=dict[Claimant, None])
    resuming: dict[Claimant, None] = field(default_factory=dict[Claimant, None])
    """Those that hold no slot and have held one before."""
    offered: dict[Claimant, None] = field(default_factory=dict[Claimant, None])
    offers: int = 0
    """How many slots it has offered so far."""
    queue: list[InLine] = field(default_factory=list[InLine])
    """Those that hold no slot and have no offer, in the order in which they get one."""
    parked: list[Parked] = field(default_factory=list[Parked])
    """Lanes that wait for a slot here, in the order of their turns."""
    kept_for: list[Parked] = field(default_factory=list[Parked])
    """Lanes for each of which a slot is kept, wherever they are parked, in the same order."""

    @property
    def max_runs(self) -> int:
        """The slots, as the newest member has them: what was deployed last counts."""
        return self.slots[self.members[-1][1]]

    @property
    def taken(self) -> int:
        """How many slots are held or offered."""
        return len(self.holders) + len(self.offered)

    def kept_before(self, entry: Parked | None) -> list[Parked]:
        """Return the lanes before this one for which slots are kept."""
        return self.kept_for[: bisect_left(self.kept_for, entry)] if entry else []

    def has_room_for(self, entry: Parked | None) -> bool:
        """Return whether there is a slot for a lane; None stands for the first of all."""
        return self.taken + len(self.kept_before(entry)) < self.max_runs

    @property
    def is_overfull(self) -> bool:
        """Whether more slots are held than there are."""
        return len(self.holders) > self.max_runs

    def newer_than(self, request: SlotRequest) -> int:
        """Return how many members are newer."""
        return len(self.members) - 1 - bisect_left(self.members, (request.age, request.claimant))

    def newcomers(self) -> Iterator[Claimant]:
        """Yield the members that wait for their first slot, the newest first."""
        return (each for _, each in reversed(self.members) if self._is_new(each))

    def oldest_newcomer(self) -> Claimant | None:
        """Return the oldest member that waits for its first slot and has no offer of one."""
        waiting = (each for _, each in self.members if each not in self.offered)
        return next(filter(self._is_new, waiting), None)

    def _is_new(self, member: Claimant) -> bool:
        return member not in self.holders and member not in self.resuming


T = TypeVar("T", bound=tuple[object, ...])
K = TypeVar("K")


def take_out(line: list[T], item: T) -> None:
    """Remove an item from a sorted list."""
    place = bisect_left(line, item)
    assert line[place] == item
    del line[place]


def through_first(is_short: Callable[[K], bool], rarest_first: Iterable[K]) -> tuple[K, ...]:
    """Return the limits in which something is kept for a lane: all up to the first that is short.

    One after the other, so that nothing is kept in one limit while a rarer one has nothing to give.
    """
    found: list[K] = []
    for each in rarest_first:
        found.append(each)
        if is_short(each):
            break
    return tuple(found)
