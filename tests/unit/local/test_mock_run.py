"""A task's bare function, called with what a test says."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass, field
from typing import Annotated, Any

import pytest
from podhatch import Context, Hatchet
from podhatch.errors import InvalidRun, LoopAlreadyRunningError
from podhatch.task.dependencies import Depends
from pydantic import BaseModel

hatchet = Hatchet()
orders = hatchet.workflow("orders")


class Order(BaseModel):
    id: int


@dataclass
class Database:
    open: bool = True
    rows: list[int] = field(default_factory=list[int])


def connect() -> Generator[Database]:
    database = Database()
    yield database
    database.open = False


async def session(
    input: Any, ctx: Context, database: Annotated[Database, Depends(connect)]
) -> AsyncGenerator[Database]:
    database.rows.append(1)
    yield database


@orders.task(retries=4)
def fetch(input: Any, ctx: Context) -> Order:
    return Order(id=3)


@orders.task(parents=[fetch])
def facts(input: Any, ctx: Context) -> dict[str, Any]:
    return {
        "order": ctx.task_output(fetch).id,
        "metadata": ctx.additional_metadata,
        "lifespan": ctx.lifespan,
        "attempt": (ctx.retry_count, ctx.attempt_number),
        "input": ctx.input,
    }


def test_the_context_tells_what_it_was_told() -> None:
    assert facts.mock_run(
        {"a": 1}, {"who": "me"}, {"fetch": Order(id=5)}, retry_count=2, lifespan="pool"
    ) == {
        "order": 5,
        "metadata": {"who": "me"},
        "lifespan": "pool",
        "attempt": (2, 3),
        "input": {"a": 1},
    }


def test_the_output_is_what_the_function_returns() -> None:
    assert fetch.mock_run() == Order(id=3)


def test_a_parent_that_was_not_given_is_missed() -> None:
    missed = r"no output of task fetch: pass parent_outputs={'fetch': \.\.\.} to mock_run"
    with pytest.raises(ValueError, match=missed):
        facts.mock_run()


@hatchet.task(input_validator=Order)
def rows(input: Order, ctx: Context, database: Annotated[Database, Depends(session)]) -> Database:
    assert database.open
    database.rows.append(input.id)
    return database


@hatchet.task()
async def later(
    input: Any, ctx: Context, database: Annotated[Database, Depends(connect)]
) -> Database:
    assert database.open
    return database


def test_dependencies_are_made_and_ended() -> None:
    assert rows.mock_run(Order(id=9)) == Database(open=False, rows=[1, 9])


def test_dependencies_may_be_given() -> None:
    mine = Database()
    assert rows.mock_run({"id": 2}, dependencies={"database": mine}) is mine
    assert mine == Database(open=True, rows=[2])


async def test_an_async_task_has_a_mock_run() -> None:
    assert not (await later.aio_mock_run()).open


@pytest.mark.filterwarnings("error")
async def test_async_dependencies_work_in_a_running_loop() -> None:
    with pytest.raises(LoopAlreadyRunningError, match=r"task 'rows': .* asyncio.to_thread"):
        rows.mock_run(Order(id=9))
    assert (await asyncio.to_thread(rows.mock_run, Order(id=9))).rows == [1, 9]


async def test_the_wrong_flavour_is_refused() -> None:
    with pytest.raises(TypeError, match="call aio_mock_run"):
        later.mock_run()
    with pytest.raises(TypeError, match="call mock_run"):
        await fetch.aio_mock_run()


def test_an_unknown_dependency_is_refused() -> None:
    with pytest.raises(TypeError, match="no parameter with Depends: pool"):
        rows.mock_run({"id": 1}, dependencies={"pool": None})


def test_an_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidRun, match="id"):
        rows.mock_run({"id": "x"})
