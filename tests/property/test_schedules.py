"""Scheduled runs in random worlds: never before their time, always after it, each once."""

import asyncio
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.model import JsonObject, format_time

from tests.fakes.objects import NOW, run, task, workflow
from tests.property.invariants import check_always, check_end
from tests.property.pods import Behaviour
from tests.property.test_runs import (
    CRASHES,
    LIMITS,
    PEACEFUL,
    Step,
    all_behaviours,
    finish,
    steps,
    take,
    worlds,
)
from tests.property.world import World

TASKS = [task("a", retries=1, **LIMITS), task("b", "a", **LIMITS)]


def scheduled(behaviour: dict[str, Behaviour], spec: JsonObject) -> World:
    world = World(behaviour, {each["name"]: each for each in TASKS})
    world.cluster.put(workflow(*TASKS))
    world.cluster.put(run(None, **spec))
    world.restart_operator()
    return world


async def live(world: World, script: list[Step]) -> None:
    """Let the script happen; a `reschedule` sets another time."""
    for step in script:
        kind, number = step
        if kind == "reschedule":
            world.want(startAt=format_time(world.now + timedelta(seconds=number)))
        else:
            await take(world, step)
        check_always(world)
    await finish(world)
    check_always(world)
    check_end(world)


@worlds
@given(
    all_behaviours,
    st.integers(-20, 100),
    steps(*PEACEFUL, *CRASHES, "jump", "back", "stale", "reschedule"),
)
def test_a_scheduled_run_starts_after_its_time_and_once(
    behaviour: dict[str, Behaviour], start: int, script: list[Step]
) -> None:
    asyncio.run(_started(behaviour, start, script))


async def _started(behaviour: dict[str, Behaviour], start: int, script: list[Step]) -> None:
    start_at = NOW + timedelta(seconds=start)
    world = scheduled(behaviour, {"startAt": format_time(start_at)})
    await live(world, script)
    assert world.started
    assert world.status()["startDelaySeconds"] >= 0


@worlds
@given(
    all_behaviours,
    st.integers(0, 100),
    st.integers(0, 60),
    steps("deliver", "reconcile", "pass_time", "jump", *CRASHES),
)
def test_a_run_with_a_deadline_starts_in_time_or_never(
    behaviour: dict[str, Behaviour], start: int, deadline: int, script: list[Step]
) -> None:
    asyncio.run(_started_in_time(behaviour, start, deadline, script))


async def _started_in_time(
    behaviour: dict[str, Behaviour], start: int, deadline: int, script: list[Step]
) -> None:
    start_at = NOW + timedelta(seconds=start)
    latest = start_at + timedelta(seconds=max(deadline, 1))
    spec = {"startAt": format_time(start_at), "startingDeadlineSeconds": deadline}
    world = scheduled(behaviour, spec)
    for step in script:
        had_started = bool(world.started)
        await take(world, step)
        check_always(world)
        if world.started and not had_started:
            assert start_at <= world.now < latest
    await finish(world)
    check_end(world)
    cancelled = world.status()["phase"] == "Cancelled"
    assert world.started or cancelled
