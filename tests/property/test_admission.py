"""Limits in random worlds: late and lost news, crashes, cancels. Never above, never below."""

import asyncio
from collections import defaultdict
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.cluster import TASK_RESULT, WORKFLOW_RUN
from podhatch.core.admission.slots import HEAD_START

from tests.property.admission_world import PRIORITIES, AdmissionWorld, Case, Group

KINDS = AdmissionWorld.kinds
STRATEGIES = (
    "CANCEL_IN_PROGRESS",
    "CANCEL_NEWEST",
    "CANCEL_QUEUED_EXCEPT_NEWEST",
    "CANCEL_QUEUED_EXCEPT_OLDEST",
)
Step = tuple[str, int]
PEACEFUL = (
    "create",
    "create",
    "create",
    "deliver",
    "deliver_all",
    "work",
    "work_one",
    "end",
    "fail",
    "pass_time",
)
CRASHES = ("crash", "hand_over", "restart", "last_write", "stale", "lose", "resync", "annotate")
REFUSALS = ("refuse", "accept")
REFUSED = ("create Job", "create ControllerRevision", "update WorkflowRun", "update WorkflowRun")
REQUESTS = ("cancel", "replay", "delete")
PARKS = ("park", "park", "wake")

one_limit = st.builds(Case, st.integers(1, 3), st.just(0), st.booleans(), st.booleans())
two_limits = st.builds(Case, st.integers(1, 2), st.integers(1, 3), st.booleans(), st.booleans())
cases = st.one_of(one_limit, two_limits)
numbers = st.integers(0, 47)
"""Of runs: their workflow, tenant, region and priority."""


def steps(*kinds: str) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(st.sampled_from(kinds), numbers), min_size=15, max_size=50)


async def take(world: AdmissionWorld, step: Step) -> None:
    kind, number = step
    match kind:
        case "create":
            world.create(number)
        case "resize":
            world.resize(number)
        case "deliver":
            world.deliver(KINDS[number % len(KINDS)])
        case "deliver_all":
            world.deliver_all()
        case "work":
            await world.work()
        case "work_one":
            await world.work(most=1 + number % 3)
        case "crash":
            await world.work(crash_after=number % 6)
        case "hand_over":
            await world.work(crash_after=number % 4)
            await world.work(most=1 + number % 5)
            await world.last_write_arrives()
        case "restart":
            world.restart_operator()
        case "last_write":
            await world.last_write_arrives()
        case "stale":
            world.deliver_again(KINDS[number % len(KINDS)], back=number)
        case "lose":
            world.lose_changes(KINDS[number % len(KINDS)])
        case "resync":
            await world.resync()
        case "refuse":
            code, request = divmod(number, len(REFUSED))
            world.refuse(REFUSED[request], (403, 409, 500)[code % 3])
        case "accept":
            world.accept_all()
        case "pass_time":
            world.pass_time(number / 5)
        case _ if runs := world.runs:
            getattr(world, kind)(runs[number % len(runs)])
        case _:
            pass


async def live(case: Case, script: list[Step]) -> AdmissionWorld:
    world = AdmissionWorld(case)
    for step in script:
        await take(world, step)
        world.check()
    world.accept_all()
    await world.resync()
    world.pass_time(61)  # as long as what was refused waits
    await world.settle()
    check_busy(world)
    return world


async def finish(world: AdmissionWorld) -> None:
    """Wake all, and end one after the other; check after each that no slot is idle."""
    for run in world.runs:
        world.wake(run)
    await world.settle()
    check_busy(world)
    for _ in range(3 * len(world.runs) + 2):
        if not world.active:
            break
        world.end(next(iter(world.active)))
        await world.settle()
        check_busy(world)
    assert not world.waiting(), "a run waits for ever"


def check_busy(world: AdmissionWorld) -> None:
    """Check that every run that waits has a group without a free slot for it."""
    full, waiting = set(world.full()), world.waiting()
    for run in waiting:
        if full.isdisjoint(world.groups(run)):
            kept_for = [each for each in waiting if each in world.kept_from(run)]
            assert kept_for, f"{run} waits in vain: {world.status(run)}"
            assert all(full.intersection(world.groups(each)) for each in kept_for)


worlds = settings(max_examples=60)


async def _live_and_finish(case: Case, script: list[Step]) -> None:
    await finish(await live(case, script))


@worlds
@given(cases, steps(*PEACEFUL))
def test_in_peace_no_slot_is_idle_and_none_is_taken_twice(case: Case, script: list[Step]) -> None:
    asyncio.run(_live_and_finish(case, script))


@worlds
@given(cases, steps(*PEACEFUL, *CRASHES))
def test_operators_in_turn_neither_leak_nor_double_a_slot(case: Case, script: list[Step]) -> None:
    asyncio.run(_live_and_finish(case, script))


@worlds
@given(cases, steps(*PEACEFUL, *CRASHES, *REFUSALS))
def test_what_is_refused_for_a_while_keeps_no_slot_from_others(
    case: Case, script: list[Step]
) -> None:
    asyncio.run(_live_and_finish(case, script))


@worlds
@given(
    cases,
    st.one_of(steps(*PEACEFUL, *REQUESTS, *REQUESTS), steps(*PEACEFUL, *CRASHES, *REQUESTS)),
)
def test_runs_that_are_cancelled_replayed_or_deleted_keep_no_slot(
    case: Case, script: list[Step]
) -> None:
    asyncio.run(_live_and_finish(case, script))


@worlds
@given(cases, steps(*PEACEFUL, *CRASHES, "resize", "resize"))
def test_limits_that_are_edited_hold_for_those_that_wait(case: Case, script: list[Step]) -> None:
    asyncio.run(_live_and_finish(case, script))


@worlds
@given(
    cases,
    st.one_of(
        steps(*PEACEFUL, *PARKS),
        steps(*PEACEFUL, *CRASHES, *PARKS),
        steps(*PEACEFUL, *CRASHES, *REQUESTS, *PARKS),
    ),
)
def test_runs_that_are_parked_keep_no_slot_and_get_one_to_go_on(
    case: Case, script: list[Step]
) -> None:
    asyncio.run(_live_and_finish(case, script))


@worlds
@given(cases, st.lists(st.tuples(numbers, numbers), min_size=2, max_size=16))
def test_a_free_slot_is_used_at_once_and_wakes_only_those_who_get_it(
    case: Case, drawn: list[tuple[int, int]]
) -> None:
    asyncio.run(_used_at_once(case, drawn))


async def _used_at_once(case: Case, drawn: list[tuple[int, int]]) -> None:
    world = AdmissionWorld(case)
    for number, _ in drawn:
        world.create(number)
        await _decide(world)
    for _, number in drawn:
        await world.settle()
        known, active = len(world.started), list(world.active)
        if not active:
            break
        ended = active[number % len(active)]
        world.reconciled.clear()
        if number % 3:
            world.end(ended)
        else:
            world.park(ended)
        await _decide(world)
        assert world.reconciled == {ended, *world.started[known:]}


async def _decide(world: AdmissionWorld) -> None:
    """Let the operator do what there is to do at this moment, and check that no slot is idle."""
    world.deliver_all()
    await world.work()
    world.check()
    check_busy(world)


@settings(worlds, max_examples=20)
@given(cases, st.lists(numbers, min_size=4, max_size=12))
def test_a_slot_is_taken_until_the_end_of_its_holder_is_stored(
    case: Case, drawn: list[int]
) -> None:
    asyncio.run(_refused_ends(case, drawn))


async def _refused_ends(case: Case, drawn: list[int]) -> None:
    world = AdmissionWorld(case)
    for number in drawn:
        world.create(number)
    for number in drawn:
        await world.settle()
        check_busy(world)
        if not world.active:
            break
        run = list(world.active)[number % len(world.active)]
        world.annotate(run)  # the operator does not hear of it: the API server refuses its status
        world.end(run)
        while world.deliver(TASK_RESULT):
            pass
        await world.work()
        world.check()
        assert not world.is_over(run)


@settings(worlds, max_examples=30)
@given(cases, numbers, st.integers(1, 4), st.integers(0, 2))
def test_a_slot_that_two_operators_grant_is_used_once(
    case: Case, number: int, others: int, writes: int
) -> None:
    asyncio.run(_granted_twice(case, number, others, writes))


async def _granted_twice(case: Case, number: int, others: int, writes: int) -> None:
    """An operator that knows of one run alone ends with a write under way, which comes late."""
    world = AdmissionWorld(case)
    await world.settle()
    for _ in range(others):
        world.create(number)
    world.lose_changes(WORKFLOW_RUN)
    world.create(number)
    world.deliver_all()
    await world.work(crash_after=writes)
    await world.work()
    await world.last_write_arrives()
    await world.settle()
    check_busy(world)
    await finish(world)


GAPS = (0, 20, 40, 70, 130)
"""Minutes between the creations of runs."""


@worlds
@given(one_limit, st.lists(st.tuples(numbers, st.sampled_from(GAPS)), min_size=2, max_size=14))
def test_those_that_wait_start_by_priority_and_none_is_starved(
    case: Case, drawn: list[tuple[int, int]]
) -> None:
    asyncio.run(_in_order(case, drawn))


async def _in_order(case: Case, drawn: list[tuple[int, int]]) -> None:
    """A higher priority counts as an hour of waiting, and no more."""
    world = AdmissionWorld(case)
    turns: dict[str, tuple[datetime, str]] = {}
    for number, gap in drawn:
        world.pass_time(gap * 60)
        run = world.create(number)
        head_start = (PRIORITIES[number % len(PRIORITIES)] - 1) * HEAD_START
        turns[run] = world.now.replace(microsecond=0) - head_start, run
    await world.settle()
    first = set(world.started)
    await finish(world)
    for group in world.all_groups():
        late = [run for run in world.started if run in world.in_group(group) and run not in first]
        assert late == sorted(late, key=turns.__getitem__)


@worlds
@given(st.booleans(), st.integers(1, 2), st.lists(numbers, min_size=4, max_size=16))
def test_groups_that_share_the_slots_of_another_take_turns(
    of_task: bool, slots: int, numbers: list[int]
) -> None:
    asyncio.run(_in_turns(Case(len(numbers), slots, of_task), numbers))


async def _in_turns(case: Case, numbers: list[int]) -> None:
    """Tenants share the slots of a region: none gets a second one while another gets none."""
    world = AdmissionWorld(case)
    for number in numbers:
        world.create(number % 2 + 24)
    await world.settle()
    first = len(world.started)
    await finish(world)
    tenants = [world.specs[run]["input"]["tenant"] for run in world.started[first:]]
    for place, tenant in enumerate(tenants):
        rest = tenants[place + 1 :]
        if tenant in rest:
            between = rest[: rest.index(tenant)]
            later = set(rest[len(between) + 1 :])
            assert later - {tenant} <= set(between), f"{tenant} got two slots in a row: {tenants}"


class Ideal:
    """What each strategy means, for one group whose operator knows everything at once."""

    def __init__(self, strategy: str, slots: int) -> None:
        self.strategy = strategy
        self.slots = slots
        self.holders: list[str] = []
        self.new: list[str] = []
        """Those that wait for their first slot."""
        self.resuming: list[str] = []
        self.cancelled: set[str] = set()
        self.priorities: dict[str, int] = {}

    @property
    def waiting(self) -> list[str]:
        return [*self.new, *self.resuming]

    def create(self, run: str, priority: int) -> None:
        self.priorities[run] = priority
        if self._takes(run):
            return
        match self.strategy:
            case "CANCEL_NEWEST":
                self.cancelled.add(run)
            case "CANCEL_QUEUED_EXCEPT_NEWEST":
                self.cancelled.update(self.new)
                self.new = [run]
            case "CANCEL_QUEUED_EXCEPT_OLDEST" if self.new:
                self.cancelled.add(run)
            case _:
                self.new.append(run)

    def wake(self, run: str) -> None:
        if not self._takes(run):
            self.resuming.append(run)

    def _takes(self, run: str) -> bool:
        """Whether a run need not wait: it has a slot, or the oldest is cancelled for the newest."""
        self.holders.append(run)
        if len(self.holders) > self.slots and self.strategy == "CANCEL_IN_PROGRESS":
            oldest = min(self.holders)
            self.holders.remove(oldest)
            self.cancelled.add(oldest)
        if len(self.holders) <= self.slots:
            return True
        self.holders.remove(run)
        return False

    def leave(self, run: str) -> None:
        """A run ends, or is parked: the next one has its slot."""
        self.holders.remove(run)
        if self.waiting:
            first = min(self.waiting, key=lambda each: (-self.priorities[each], each))
            (self.new if first in self.new else self.resuming).remove(first)
            self.holders.append(first)


@worlds
@given(
    st.builds(
        Case,
        st.integers(1, 3),
        st.just(0),
        st.booleans(),
        st.booleans(),
        st.sampled_from(("GROUP_ROUND_ROBIN", *STRATEGIES)),
    ),
    st.lists(
        st.tuples(st.sampled_from(("create", "create", "create", "end", *PARKS)), numbers),
        max_size=20,
    ),
)
def test_each_strategy_cancels_just_those_that_it_names_and_the_oldest_is_next(
    case: Case, script: list[Step]
) -> None:
    asyncio.run(_as_ideal(case, script))


async def _as_ideal(case: Case, script: list[Step]) -> None:
    world = AdmissionWorld(case)
    ideals: defaultdict[Group, Ideal] = defaultdict(lambda: Ideal(case.strategy, case.per_tenant))
    for kind, number in script:
        if kind == "create":
            run = world.create(number)
            ideals[world.groups(run)[0]].create(run, PRIORITIES[number % len(PRIORITIES)])
        elif some := sorted(world.parked if kind == "wake" else world.active):
            run = some[number % len(some)]
            ideal = ideals[world.groups(run)[0]]
            if kind == "wake":
                world.wake(run)
                ideal.wake(run)
            else:
                getattr(world, kind)(run)
                ideal.leave(run)
        await world.settle()
        assert set(world.active) == {run for each in ideals.values() for run in each.holders}
        assert set(world.waiting()) == {run for each in ideals.values() for run in each.waiting}
        assert world.cancelled() == {run for each in ideals.values() for run in each.cancelled}


@worlds
@given(
    st.sampled_from(STRATEGIES),
    st.integers(1, 2),
    st.booleans(),
    st.booleans(),
    st.one_of(
        steps(*(each for each in (*PEACEFUL, *CRASHES) if each != "fail")),
        steps(*(each for each in (*PEACEFUL, *PARKS, *CRASHES) if each != "fail")),
    ),
)
def test_strategies_keep_the_right_ones_whatever_the_operator_hears(
    strategy: str, slots: int, of_task: bool, is_shared: bool, script: list[Step]
) -> None:
    asyncio.run(_kept(Case(slots, 0, of_task, is_shared, strategy), script))


async def _kept(case: Case, script: list[Step]) -> None:
    world = await live(case, script)
    for group in world.all_groups():
        runs = world.in_group(group)
        some_wait = [run for run in world.waiting() if run in runs]
        waiting = [run for run in some_wait if run not in world.started]
        lost = [run for run in runs if run in world.cancelled()]
        if case.strategy == "CANCEL_IN_PROGRESS":
            assert some_wait == []
            assert not set(lost) & set(runs[-case.per_tenant :]), "a newest one was cancelled"
            continue
        assert not set(lost) & set(world.started), "one was cancelled that had its slot"
        match case.strategy:
            case "CANCEL_NEWEST":
                assert waiting == []
            case "CANCEL_QUEUED_EXCEPT_NEWEST":
                assert len(waiting) <= 1
                assert runs[-1] not in lost, "the newest one was cancelled"
                assert not waiting or all(run < waiting[0] for run in lost)
            case _:
                assert len(waiting) <= 1
                assert runs[0] not in lost, "the oldest one was cancelled"
    await finish(world)
