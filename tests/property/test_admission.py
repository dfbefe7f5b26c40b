"""Limits in random worlds: late news, crashes between writes, cancels. Never above, never below."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject

from tests.property.admission_world import KINDS, AdmissionWorld

TENANTS, REGIONS = ("acme", "zenith"), ("north", "south")
Step = tuple[str, int]
PEACEFUL = ("create", "create", "deliver", "deliver_all", "work", "work_one", "end", "pass_time")
TROUBLE = ("crash", "crash", "restart", "stale", "annotate", "cancel")


@dataclass(frozen=True)
class Case:
    """The slots of each tenant and each region; 0 leaves the limit out."""

    per_tenant: int
    per_region: int
    of_task: bool
    strategy: str = "GROUP_ROUND_ROBIN"

    @property
    def limits(self) -> list[JsonObject]:
        sizes = (("tenant", self.per_tenant), ("region", self.per_region))
        return [
            {"expression": f"input.{name}", "maxRuns": size, "limitStrategy": self.strategy}
            for name, size in sizes
            if size
        ]

    def full(self, world: AdmissionWorld) -> Iterator[tuple[str, str]]:
        """Yield the groups that have no free slot, and check that none has too many holders."""
        for name, size in (("tenant", self.per_tenant), ("region", self.per_region)):
            holders = Counter(world.input(run)[name] for run in world.under_way())
            for key, number in holders.items():
                assert not size or number <= size, f"{number} of {size} slots of {key} are taken"
                if size and number == size:
                    yield name, key


cases = st.one_of(
    st.builds(Case, st.integers(1, 3), st.just(0), st.booleans()),
    st.builds(Case, st.integers(1, 2), st.integers(1, 3), st.booleans()),
)


def steps(*kinds: str) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 47)), min_size=15, max_size=50)


async def take(world: AdmissionWorld, step: Step) -> None:
    kind, number = step
    match kind:
        case "create":
            inputs = {"tenant": TENANTS[number % 2], "region": REGIONS[number // 2 % 2]}
            world.create(inputs, priority=(1, 1, 3)[number % 3])
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
        case "restart":
            world.restart()
        case "stale":
            world.deliver_again(KINDS[number % len(KINDS)], back=number)
        case "pass_time":
            world.operator.timers.pass_time(number / 5)
        case _ if world.runs:
            getattr(world, kind)(world.runs[number % len(world.runs)])
        case _:
            pass


async def live(case: Case, script: list[Step]) -> AdmissionWorld:
    world = AdmissionWorld(case.limits, case.of_task)
    for step in script:
        await take(world, step)
        list(case.full(world))
    return world


async def finish(case: Case, world: AdmissionWorld) -> None:
    """End one run after the other, and check after each that no slot is idle."""
    for _ in range(2 * len(world.runs) + 2):
        await world.settle()
        check_busy(case, world)
        if not world.under_way():
            break
        world.end(world.under_way()[0])
    assert not world.waiting(), "a run waits for ever"
    assert all(world.is_over(run) for run in world.runs)
    assert len(world.started) == len(set(world.started)), "an attempt was made twice"


def check_busy(case: Case, world: AdmissionWorld) -> None:
    """Check that every run that waits has a group without a free slot."""
    full = set(case.full(world))
    for run in world.waiting():
        groups = world.input(run).items()
        assert full.intersection(groups), f"{run} waits for no reason: {world.status(run)}"


worlds = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=True,
)


@worlds
@given(cases, steps(*PEACEFUL))
def test_in_peace_no_slot_is_idle_and_none_is_taken_twice(case: Case, script: list[Step]) -> None:
    asyncio.run(_lived(case, script))


@worlds
@given(cases, steps(*PEACEFUL, *TROUBLE))
def test_an_operator_that_dies_neither_leaks_nor_doubles_a_slot(
    case: Case, script: list[Step]
) -> None:
    asyncio.run(_lived(case, script))


async def _lived(case: Case, script: list[Step]) -> None:
    await finish(case, await live(case, script))


@worlds
@given(st.integers(1, 3), st.booleans(), st.lists(st.integers(0, 47), min_size=2, max_size=12))
def test_those_that_wait_start_in_order(slots: int, of_task: bool, numbers: list[int]) -> None:
    asyncio.run(_in_order(Case(slots, 0, of_task), numbers))


async def _in_order(case: Case, numbers: list[int]) -> None:
    world = AdmissionWorld(case.limits, case.of_task)
    for number in numbers:
        await take(world, ("create", number))
    await world.settle()
    first = list(world.started)
    priority = {run: (1, 1, 3)[n % 3] for run, n in zip(world.runs, numbers, strict=True)}
    while world.under_way():
        world.end(world.under_way()[0])
        await world.settle()
    for tenant in TENANTS:
        late = [r for r in world.started if r not in first and world.input(r)["tenant"] == tenant]
        assert late == sorted(late, key=lambda run: (-priority[run], run))


STRATEGIES = (
    "CANCEL_IN_PROGRESS",
    "CANCEL_NEWEST",
    "CANCEL_QUEUED_EXCEPT_NEWEST",
    "CANCEL_QUEUED_EXCEPT_OLDEST",
)


@worlds
@given(
    st.sampled_from(STRATEGIES),
    st.integers(1, 2),
    st.booleans(),
    steps(*PEACEFUL, "crash", "stale"),
)
def test_strategies_keep_the_right_ones(
    strategy: str, slots: int, of_task: bool, script: list[Step]
) -> None:
    asyncio.run(_kept(Case(slots, 0, of_task, strategy), script))


async def _kept(case: Case, script: list[Step]) -> None:
    world = await live(case, script)
    await world.settle()
    check_busy(case, world)
    for tenant in TENANTS:
        runs = [run for run in world.runs if world.input(run)["tenant"] == tenant]
        waiting = [run for run in world.waiting() if run in runs]
        lost = [run for run in runs if world.status(run).get("phase") == "Cancelled"]
        match case.strategy:
            case "CANCEL_IN_PROGRESS":
                assert waiting == []
                assert not set(lost) & set(runs[-case.per_tenant :]), "a newest one was cancelled"
            case "CANCEL_NEWEST":
                assert waiting == []
                assert runs[:1] == [run for run in runs[:1] if run not in lost]
            case "CANCEL_QUEUED_EXCEPT_NEWEST":
                assert len(waiting) <= 1
                assert not waiting or all(run < waiting[0] for run in lost)
            case _:
                assert len(waiting) <= 1
                assert runs[:1] == [run for run in runs[:1] if run not in lost]
    await finish(case, world)
