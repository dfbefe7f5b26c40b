"""A generated durable task that is reset to any call makes it again, and all calls after it."""

import asyncio
from collections.abc import Sequence
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.client.runs.durable_log import remove_calls
from podhatch.client.session import Session
from podhatch.cluster import WORKFLOW_RUN
from podhatch.durable import store

from tests.property.durable_world import NAMESPACE, RUN_NAME, Step, World
from tests.property.test_durable_programs import PROGRAMS
from tests.property.test_runs import worlds


async def reset(world: World, node: int) -> None:
    stored = await world.cluster.get(WORKFLOW_RUN, NAMESPACE, RUN_NAME)
    run = WorkflowRun.model_validate(stored)
    assert run.status is not None
    await remove_calls(Session(world.cluster, NAMESPACE), run, run.status.tasks[0], node, None)


def calls(world: World) -> list[JsonObject]:
    return [call for page in world.pages for call in page["spec"].get("calls", [])]


def results(world: World) -> dict[tuple[int, int], str]:
    """Return what memos and waits gave, by node and branch."""
    found: dict[tuple[int, int], str] = {}
    for page in world.pages:
        told = [*page["spec"].get("values", []), *page.get("status", {}).get("waits", [])]
        found |= {(each["node"], each.get("branch", 1)): str(each) for each in told}
    return found


async def reset_twice(program: Step, places: Sequence[float], evictions: Sequence[bool]) -> None:
    world = World(evictions=evictions)
    await world.run(program)
    for number, place in enumerate(places, start=2):
        before, had = calls(world), results(world)
        node = 1 + int(place * (len(before) - 1))
        await reset(world, node)
        assert calls(world) == before[: node - 1]
        kept = {(each["node"], each.get("branch", 1)) for each in calls(world)}
        left = results(world)
        assert {key: left.get(key) for key in kept} == {key: had[key] for key in kept}
        await world.run(program)
        after = calls(world)
        assert [each["node"] for each in after] == [*range(1, len(before) + 1)]
        assert after[: node - 1] == before[: node - 1]
        assert {each.get("branch", 1) for each in after[node - 1 :]} == {number}
        assert [page["spec"]["page"] for page in world.pages] == [*range(len(world.pages))]
        assert not world.stale_writes


@settings(worlds, max_examples=60)
@given(
    PROGRAMS,
    st.lists(st.floats(0, 1), min_size=1, max_size=2),
    st.lists(st.booleans(), min_size=1, max_size=3),
    st.integers(1, 4),
)
def test_the_calls_before_a_reset_stay_and_the_others_are_made_again(
    program: Step, places: Sequence[float], evictions: Sequence[bool], page_size: int
) -> None:
    with patch.object(store, "MAX_PAGE_ENTRIES", page_size):
        asyncio.run(reset_twice(program, places, evictions))
