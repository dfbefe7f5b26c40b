"""Limits in local runs: the same code decides as in the operator."""

import asyncio
from collections import Counter

from podhatch import (
    ConcurrencyExpression,
    ConcurrencyLimitStrategy,
    Context,
    EmptyModel,
    Hatchet,
)
from pydantic import BaseModel

hatchet = Hatchet()
running: Counter[str] = Counter()
highest: Counter[str] = Counter()


class Job(BaseModel):
    tenant: str = ""
    number: int = 0


async def occupy(key: str, seconds: float, at_least: int = 1) -> None:
    """Count as running, until so many have run at a time and the seconds have passed."""
    running[key] += 1
    highest[key] = max(highest[key], running[key])
    while highest[key] < at_least:  # noqa: ASYNC110 - tasks are in event loops of their own
        await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    running[key] -= 1


@hatchet.task(input_validator=Job, concurrency=ConcurrencyExpression("input.tenant", 2))
async def limited(input: Job, ctx: Context) -> str:
    await occupy(input.tenant, 0.05, at_least=2)
    return input.tenant


@hatchet.task()
async def spread(input: EmptyModel, ctx: Context) -> list[str]:
    items = [limited.create_bulk_run_item(Job(tenant=tenant)) for tenant in ("a", "b") * 4]
    return await limited.aio_run_many(items)


def test_no_tenant_has_more_runs_than_slots() -> None:
    assert spread.run_local() == ["a", "b"] * 4
    assert highest["a"] == highest["b"] == 2


wide = hatchet.workflow("wide")


async def one_at_a_time(input: EmptyModel, ctx: Context) -> None:
    await occupy("task", 0.01)


for place in range(4):
    only = ConcurrencyExpression(None, 1, name="only")
    wide.task(f"task-{place}", concurrency=only)(one_at_a_time)


def test_a_named_limit_holds_among_the_tasks_of_one_run() -> None:
    wide.run_local()
    assert highest["task"] == 1


@hatchet.task(
    input_validator=Job,
    concurrency=ConcurrencyExpression(None, 1, ConcurrencyLimitStrategy.CANCEL_IN_PROGRESS),
)
async def newest(input: Job, ctx: Context) -> int:
    await asyncio.sleep(0.3)
    return input.number


@hatchet.task()
async def replace(input: EmptyModel, ctx: Context) -> list[str]:
    items = [newest.create_bulk_run_item(Job(number=number)) for number in range(3)]
    found = await newest.aio_run_many(items, return_exceptions=True)
    return [type(each).__name__ for each in found]


def test_only_the_newest_run_ends_well() -> None:
    assert replace.run_local() == ["RunCancelled", "RunCancelled", "int"]
