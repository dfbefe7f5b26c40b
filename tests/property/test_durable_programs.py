"""Generated durable tasks end as if nothing had befallen them, whatever befalls their pods."""

import asyncio
from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podhatch.errors import NonDeterminismError

from tests.property.durable_world import (
    EVENT_KEYS,
    AtOnce,
    Beside,
    Child,
    Either,
    Event,
    Fault,
    InTurn,
    Memo,
    Race,
    Sleep,
    Step,
    World,
    outcome,
)
from tests.property.test_runs import worlds

KEYS = st.sampled_from(EVENT_KEYS)
SECONDS = st.integers(1, 4)
LEAVES: "st.SearchStrategy[Step]" = st.one_of(
    st.builds(Sleep, SECONDS),
    st.builds(Event, KEYS),
    st.builds(Either, KEYS, SECONDS),
    st.builds(Memo, SECONDS),
    st.builds(Child, SECONDS),
)


def _groups(inner: "st.SearchStrategy[Step]") -> "st.SearchStrategy[Step]":
    steps = st.lists(inner, min_size=1, max_size=4).map(tuple)
    return st.builds(InTurn, steps) | st.builds(AtOnce, steps)


def _cancelling(inner: "st.SearchStrategy[Step]") -> "st.SearchStrategy[Step]":
    races = st.lists(inner, min_size=2, max_size=3).map(tuple)
    return _groups(inner) | st.builds(Race, races) | st.builds(Beside, inner, inner)


PROGRAMS = _groups(st.recursive(LEAVES, _groups, max_leaves=10))
CANCELLING = _groups(st.recursive(LEAVES, _cancelling, max_leaves=10))
WRITES = st.integers(1, 40)


@worlds
@given(
    PROGRAMS,
    st.dictionaries(WRITES, st.sampled_from(["before", "after"]), max_size=8),
    st.lists(st.booleans(), min_size=1, max_size=6),
)
def test_a_program_ends_the_same_however_often_its_pods_die(
    program: Step, faults: Mapping[int, Fault], evictions: Sequence[bool]
) -> None:
    expected = asyncio.run(outcome(program))
    assert expected.pods == 1
    found = asyncio.run(outcome(program, faults, evictions))
    assert found.result == expected.result
    assert found.children == expected.children
    assert found.calls == expected.calls


@worlds
@given(
    CANCELLING,
    st.dictionaries(WRITES, st.sampled_from(["before", "after", "freeze"]), max_size=8),
    st.lists(st.booleans(), min_size=1, max_size=6),
)
def test_a_program_that_cancels_waits_ends_the_same_and_is_resumed_by_no_other_wait(
    program: Step, faults: Mapping[int, Fault], evictions: Sequence[bool]
) -> None:
    expected = asyncio.run(outcome(program))
    assert expected.pods == 1
    found = asyncio.run(outcome(program, faults, evictions))
    assert found.result == expected.result
    assert found.children == expected.children
    assert found.calls == expected.calls


@worlds
@given(
    PROGRAMS,
    st.dictionaries(WRITES, st.sampled_from(["freeze", "after"]), min_size=1, max_size=4),
    st.lists(st.booleans(), min_size=1, max_size=3),
)
def test_a_pod_that_has_a_successor_writes_nothing_to_the_log(
    program: Step, faults: Mapping[int, Fault], evictions: Sequence[bool]
) -> None:
    expected = asyncio.run(outcome(program))
    found = asyncio.run(outcome(program, faults, evictions))  # it looks at the writes
    assert found.result == expected.result
    assert found.children == expected.children


@worlds
@given(st.lists(LEAVES, min_size=1, max_size=6), st.data())
def test_another_call_than_before_is_told_by_its_number(
    steps: list[Step], data: st.DataObject
) -> None:
    place = data.draw(st.integers(0, len(steps) - 1))
    other = data.draw(LEAVES.filter(lambda step: step != steps[place]))

    async def change() -> None:
        world = World()
        await world.run(InTurn(tuple(steps)))
        await world.run(InTurn((*steps[:place], other, *steps[place + 1 :])))

    with pytest.raises(NonDeterminismError) as raised:
        asyncio.run(change())
    assert raised.value.node_id == place + 1
