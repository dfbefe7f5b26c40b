"""Durable tasks in random worlds: they wait without pods, whatever happens to the operator."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject

from tests.fakes.objects import task
from tests.property.invariants import check_nothing_lost
from tests.property.test_runs import (
    DEATHS,
    DURABLE,
    LIMITS,
    PEACEFUL,
    REFUSALS,
    REQUESTS,
    Case,
    Step,
    all_behaviours,
    cancel_at_the_end,
    live,
    steps,
    worlds,
)

WAITS = ("end_pod", "end_pod", "park_pod", "park_pod", "park_pod", "push_event")
LOSSES = ("kill_pod", "evict_pod", "lose_pod", "end_job", "delete_job", "park_unheard")
LATE_NEWS = ("jump", "stale")


def durable(name: str, *parents: str, retries: int = 1) -> JsonObject:
    return task(name, *parents, retries=retries, **LIMITS, **DURABLE)


graphs = st.sampled_from(
    [
        [durable("a", retries=2)],
        [durable("a"), durable("b")],
        [durable("a"), durable("b", "a"), task("c", "a", **LIMITS)],
    ]
)
cases = st.builds(
    Case, graphs, st.just({}), all_behaviours, st.sampled_from([None, None, "Soft", "Hard"])
)
parked = settings(worlds, max_examples=80)


@parked
@given(cases, steps(*PEACEFUL, *WAITS, *DEATHS, *REFUSALS))
def test_tasks_that_wait_without_pods_end_as_those_with_pods(
    case: Case, script: list[Step]
) -> None:
    world = asyncio.run(live(case, script))
    check_nothing_lost(world, case.tasks, case.hooks, case.behaviours)


@parked
@given(cases, steps(*PEACEFUL, *WAITS, *WAITS, *DEATHS, *LOSSES, *LATE_NEWS, *REQUESTS))
def test_tasks_that_lose_pods_wait_without_pods_all_the_same(
    case: Case, script: list[Step]
) -> None:
    asyncio.run(live(case, script))


@parked
@given(cases, steps(*PEACEFUL, *WAITS, *DEATHS))
def test_a_run_that_is_cancelled_while_its_tasks_wait_makes_no_pod(
    case: Case, script: list[Step]
) -> None:
    asyncio.run(cancel_at_the_end(case, script))
