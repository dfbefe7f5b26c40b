"""Scheduled runs in random worlds: never before their time, always after it, each once."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.model import JsonObject, format_time

from tests.fakes.objects import NOW, run, task, workflow
from tests.property.invariants import check_always, check_end
from tests.property.test_runs import (
    CRASHES,
    PEACEFUL,
    Step,
    all_behaviours,
    finish,
    steps,
    take,
    thorough,
)
from tests.property.world import RUN, Behaviour, World

TASKS = [task("a", retries=1), task("b", "a")]


def scheduled(behaviour: dict[str, Behaviour], spec: JsonObject) -> World:
    world = World(behaviour, parents={"a": [], "b": ["a"]})
    world.server.create(workflow(*TASKS))
    world.server.create(run(None, **spec))
    world.restart_operator()
    return world


def live(world: World, script: list[Step]) -> None:
    """Let the script happen; a `reschedule` sets another time."""
    for step in script:
        kind, number = step
        if kind == "reschedule":
            world.want(startAt=format_time(world.now + timedelta(seconds=number)))
        else:
            take(world, step)
        assert not world.unripe, "the run was started before its time"
        check_always(world, TASKS)
    finish(world)
    assert not world.unripe
    check_always(world, TASKS)
    check_end(world)


@thorough
@given(
    all_behaviours,
    st.integers(-20, 100),
    steps(*PEACEFUL, *CRASHES, "jump", "back", "stale", "reschedule"),
)
def test_a_scheduled_run_starts_after_its_time_and_once(
    behaviour: dict[str, Behaviour], start: int, script: list[Step]
) -> None:
    world = scheduled(behaviour, {"startAt": format_time(NOW + timedelta(seconds=start))})
    live(world, script)
    assert world.started
    status = world.server.objects["WorkflowRun"][RUN]["status"]
    assert status["startDelaySeconds"] >= 0


@thorough
@given(
    all_behaviours,
    st.integers(0, 100),
    st.integers(0, 60),
    steps("deliver", "reconcile", "pass_time", "jump", *CRASHES),
)
def test_a_run_with_a_deadline_starts_in_time_or_never(
    behaviour: dict[str, Behaviour], start: int, deadline: int, script: list[Step]
) -> None:
    start_at = NOW + timedelta(seconds=start)
    latest = start_at + timedelta(seconds=max(deadline, 1))
    spec = {"startAt": format_time(start_at), "startingDeadlineSeconds": deadline}
    world = scheduled(behaviour, spec)
    for step in script:
        had_started = bool(world.started)
        take(world, step)
        if world.started and not had_started:
            assert start_at <= world.now < latest
    finish(world)
    check_end(world)
    cancelled = world.server.objects["WorkflowRun"][RUN]["status"]["phase"] == "Cancelled"
    assert world.started or cancelled
