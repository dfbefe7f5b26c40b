"""Runs in random worlds in which somebody pauses and unpauses their workflow at any time.

No run or replay starts while the operator knows of a pause, none is lost, and each is cancelled at
the end of its queue TTL and not before.
"""

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.model import JsonObject, format_time
from podhatch.api.run import TERMINAL_PHASES
from podhatch.cluster import WORKFLOW, WORKFLOW_RUN
from podhatch.core.common.observed import Observed
from podhatch.core.pod.pods import has_job_ended, true_condition
from podhatch_operator.keys import Key

from tests.fakes.objects import NOW, run, task, workflow
from tests.property import test_crons as crons
from tests.property.cron_world import CronWorld
from tests.property.invariants import check_always, check_end, check_nothing_lost
from tests.property.living_cluster import NAMESPACE
from tests.property.operated_world import OperatedWorld
from tests.property.pods import RUN, Behaviour
from tests.property.test_runs import (
    ATTACKS,
    CRASHES,
    LIMITS,
    PEACEFUL,
    REQUESTS,
    Step,
    all_behaviours,
    finish,
    replay,
    steps,
    take,
    worlds,
)
from tests.property.world import World

TASKS = [task("a", retries=1, **LIMITS), task("b", "a", **LIMITS)]
CREATED = NOW - timedelta(seconds=1)
TTLS = (1, 20, 60)
A_WEEK = 7 * 86_400
PAUSES = ("pause", "pause", "unpause")
ATTACKS_IN_ORDER = tuple(each for each in ATTACKS if each != "back")
"""With a clock that is set back, no time can be compared with another."""


@dataclass
class PausedWorld(World):
    """A world whose workflow is paused now and then."""

    begun: set[int] = field(default_factory=set[int])
    """Replays that have begun, by a Job or a status; 0 is the first time."""
    queued_since: datetime = CREATED
    ttls: list[int] = field(default_factory=list[int])
    """Of all policies there ever were."""
    noted: int = 0
    """So many statuses have been checked."""

    def pause(self, ttl: int, scheduled_runs: str = "Queue") -> None:
        """Somebody pauses the workflow, or changes the policy."""
        self.ttls.append(ttl)
        policy = {"queueTtlSeconds": ttl, "scheduledRuns": scheduled_runs}
        edit(self, paused=True, pausePolicy=policy)

    def unpause(self) -> None:
        """Somebody unpauses it."""
        edit(self, paused=False)

    def _note(self, seen: Observed | None, before: JsonObject) -> None:
        known = len(self.made)
        super()._note(seen, before)
        statuses = self.cluster.statuses[self.noted :]
        begins = {made.replay for made in list(self.made.values())[known:]}
        begins |= {each.get("replays", 0) for each in statuses if each["phase"] == "Running"}
        if is_paused(seen and seen.workflow):
            assert begins <= self.begun, "started though it was paused"
        self.begun |= begins
        for status in statuses:
            if _reason(status) == "QueueTTLExceeded" and status["phase"] == "Cancelled":
                least = self.queued_since + timedelta(seconds=min(self.ttls))
                assert self.now >= least, "a run was cancelled before its queue TTL"
        self.noted = len(self.cluster.statuses)


def edit(world: OperatedWorld, **fields: object) -> None:
    flow = world.cluster.find(WORKFLOW.kind, "flow")
    assert flow is not None
    world.cluster.edit(WORKFLOW, "flow", {**flow["spec"], **fields})


def is_paused(workflow: JsonObject | None) -> bool:
    return workflow is not None and workflow["spec"].get("paused", False)


def _reason(status: JsonObject) -> str | None:
    conditions: list[JsonObject] = status.get("conditions", [])
    return next((each["reason"] for each in conditions if each["type"] == "Accepted"), None)


def begin(behaviour: dict[str, Behaviour], **spec: object) -> PausedWorld:
    world = PausedWorld(behaviour, {each["name"]: each for each in TASKS})
    world.cluster.put(workflow(*TASKS))
    world.cluster.put(run(None, **spec))
    world.restart_operator()
    return world


async def let(world: PausedWorld, script: list[Step], ttls: tuple[int, ...]) -> None:
    """Let the script happen."""
    for step in script:
        kind, number = step
        if kind == "pause":
            world.pause(ttls[number % len(ttls)], ("Queue", "Drop")[number % 2])
        elif kind == "unpause":
            world.unpause()
        elif kind in ("replay", "replay_failed"):
            if world.status().get("phase") in TERMINAL_PHASES and not _replay_is_due(world):
                world.queued_since = world.now.replace(microsecond=0)
            elif world.queued_since > world.now:  # a replay does not wait for startAt
                world.queued_since = CREATED
            replay(world, failed_only=kind == "replay_failed")
        else:
            await take(world, step)
        check_always(world)


def _replay_is_due(world: PausedWorld) -> bool:
    stored = world.cluster.find(WORKFLOW_RUN.kind, RUN)
    assert stored is not None
    count: int = stored["spec"].get("replay", {"count": 0})["count"]
    return count > world.status().get("replays", 0)


@worlds
@given(all_behaviours, steps(*PEACEFUL, *CRASHES, *PAUSES))
def test_a_pause_loses_no_run(behaviour: dict[str, Behaviour], script: list[Step]) -> None:
    asyncio.run(_lost_nothing(behaviour, script))


async def _lost_nothing(behaviour: dict[str, Behaviour], script: list[Step]) -> None:
    world = begin(behaviour)
    await let(world, script, (A_WEEK,))
    world.unpause()
    await finish(world)
    check_always(world)
    check_end(world)
    check_nothing_lost(world, TASKS, {}, behaviour)


@worlds
@given(
    all_behaviours,
    st.sampled_from([None, -20, 5, 40]),
    st.booleans(),
    steps(*PEACEFUL, *CRASHES, *ATTACKS_IN_ORDER, *REQUESTS, *PAUSES),
)
def test_whatever_happens_no_run_starts_while_paused_and_each_ends(
    behaviour: dict[str, Behaviour], start: int | None, stays: bool, script: list[Step]
) -> None:
    asyncio.run(_ended(behaviour, start, stays, script))


async def _ended(
    behaviour: dict[str, Behaviour], start: int | None, stays: bool, script: list[Step]
) -> None:
    start_at = None if start is None else NOW + timedelta(seconds=start)
    world = begin(behaviour, **({"startAt": format_time(start_at)} if start_at else {}))
    world.queued_since = max(CREATED, start_at or CREATED)
    await let(world, script, TTLS)
    if stays:
        world.pause(TTLS[-1])
    else:
        world.unpause()
    await finish(world)
    check_always(world)
    check_end(world)


@worlds
@given(
    all_behaviours,
    st.integers(1, 100),
    steps("deliver", "reconcile", "work", "pass_time", "jump", *CRASHES),
)
def test_a_run_that_stays_paused_is_cancelled_when_its_queue_ttl_is_over(
    behaviour: dict[str, Behaviour], ttl: int, script: list[Step]
) -> None:
    asyncio.run(_cancelled(behaviour, ttl, script))


async def _cancelled(behaviour: dict[str, Behaviour], ttl: int, script: list[Step]) -> None:
    world = begin(behaviour)
    world.pause(ttl)
    world.deliver_all()
    until = CREATED + timedelta(seconds=ttl)
    for step in script:
        await take(world, step)
        assert not world.started
        if world.now < until:
            assert world.status().get("phase") in (None, "Pending")
    if world.now < until:
        await world.work()
        world.pass_time((until - world.now).total_seconds())
    await world.work()
    status = world.status()
    assert (status["phase"], _reason(status)) == ("Cancelled", "QueueTTLExceeded")
    assert not world.started
    check_end(world)


@dataclass
class PausedCronWorld(CronWorld):
    """A world in which the workflow of a cron is paused now and then."""

    dropped: set[str] = field(default_factory=set[str])
    """Ticks whose Jobs say that there is no run."""

    async def _reconcile(self, key: Key) -> None:
        seen = self.operator.cache.get(WORKFLOW, (NAMESPACE, "flow"))
        before = self.made
        try:
            await super()._reconcile(key)
        finally:
            self._note_dropped()
        if seen and is_paused(seen) and seen["spec"]["pausePolicy"]["cronRuns"] == "Drop":
            assert self.made == before, "a tick made a run that was to be dropped"

    def _note_dropped(self) -> None:
        for name, job in self.jobs().items():
            failed = true_condition(job, "Failed")
            if failed and failed["reason"] == "DroppedWhilePaused":
                self.dropped.add(name)


@worlds
@given(
    crons.POLICIES,
    steps(*crons.PEACEFUL, *crons.CRASHES, "queue", "drop", "drop", "unpause"),
)
def test_each_tick_makes_one_run_or_its_job_says_that_it_was_dropped(
    policy: str, script: list[Step]
) -> None:
    asyncio.run(_dropped(policy, script))


async def _dropped(policy: str, script: list[Step]) -> None:
    world = PausedCronWorld(policy)
    await world.reconcile()
    for step in script:
        kind, _ = step
        if kind in ("queue", "drop"):
            edit(world, paused=True, pausePolicy={"cronRuns": kind.capitalize()})
        elif kind == "unpause":
            edit(world, paused=False)
        else:
            await crons.take(world, step)
    await world.settle()
    for name in {*world.ticked} - world.replaced:
        assert world.made[name] == (name not in world.dropped), name
    for name, job in world.jobs().items():
        assert has_job_ended(job), f"{name} holds up the next tick"
    if "drop" not in [kind for kind, _ in script]:
        assert not world.dropped
