"""A user's program: many runs, children, and runs that do not succeed. Says which by argument."""

import asyncio
import json
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any

from podhatch import (
    Context,
    FailedTaskRunExceptionGroup,
    Hatchet,
    NonDeterminismError,
    RunCancelled,
)
from pydantic import BaseModel

hatchet = Hatchet()


class Number(BaseModel):
    n: int


@hatchet.task(name="square", input_validator=Number)
def square(input: Number, ctx: Context) -> int:
    if input.n < 0:
        raise ValueError(f"{input.n} is negative")
    return input.n**2


@hatchet.task(name="told", input_validator=Number)
def told(input: Number, ctx: Context) -> dict[str, object]:
    return {
        "n": input.n,
        "metadata": ctx.additional_metadata,
        "parent": ctx.parent_workflow_run_id,
        "index": ctx.child_index,
        "key": ctx.child_key,
    }


family = hatchet.workflow(name="family", input_validator=Number)


@family.task(retries=1)
def sync_parent(input: Number, ctx: Context) -> list[dict[str, object]]:
    children = [
        told.run(Number(n=1)),
        told.run(Number(n=2), child_key="two", additional_metadata={"own": "2"}),
        told.run_no_wait(Number(n=3)).result(),
    ]
    if ctx.retry_count == 0:
        raise ConnectionError("after all of them were started")
    return children


@family.task(retries=1)
async def async_parent(input: Number, ctx: Context) -> list[dict[str, object]]:
    keyed = told.aio_run(Number(n=2), child_key="two")
    children = [await told.aio_run(Number(n=1)), *await asyncio.gather(keyed)]
    items = [told.create_bulk_run_item(Number(n=n)) for n in (3, 4)]
    children += await told.aio_run_many(items)
    if ctx.retry_count == 0:
        raise ConnectionError("after all of them were started")
    return children


@hatchet.task(name="fickle", input_validator=Number, retries=1)
def fickle(input: Number, ctx: Context) -> str:
    if ctx.retry_count == 0:
        square.run(Number(n=2))
        raise ConnectionError("once more")
    try:
        told.run(Number(n=2))
    except NonDeterminismError as error:
        return str(error)
    return "nothing was noticed"


@hatchet.task(name="sleeper", input_validator=Number)
def sleeper(input: Number, ctx: Context) -> None:
    time.sleep(input.n)


def many() -> None:
    """Run many, one of which fails, and count the watches that are open at the same time."""
    from podhatch.cluster import Cluster

    watch, opened = Cluster.watch, [0, 0]

    async def counted(*arguments: Any, **options: Any) -> AsyncGenerator[Any, None]:
        opened[0] += 1
        opened[1] = max(opened)
        try:
            async for event in watch(*arguments, **options):
                yield event
        finally:
            opened[0] -= 1

    setattr(Cluster, "watch", counted)  # noqa: B010 - its type is another
    numbers = [*range(59), -1]
    results = square.run_many(
        [square.create_bulk_run_item(Number(n=n)) for n in numbers], return_exceptions=True
    )
    failed = results.pop()
    assert isinstance(failed, FailedTaskRunExceptionGroup)
    [error] = failed.exceptions
    print(json.dumps({"results": results, "error": error.exc, "watches": opened[1]}))


def cancelled() -> None:
    for way in ("sync", "async"):
        run = sleeper.run_no_wait(Number(n=600))
        hatchet.runs.cancel(run.workflow_run_id)
        try:
            run.result() if way == "sync" else asyncio.run(run.aio_result())
        except RunCancelled as error:
            print(way, error.workflow_run_id == run.workflow_run_id)


def failed() -> None:
    for way in ("sync", "async"):
        try:
            square.run(Number(n=-4)) if way == "sync" else asyncio.run(square.aio_run(Number(n=-4)))
        except FailedTaskRunExceptionGroup as group:
            [error] = group.exceptions
            place = 'raise ValueError(f"{input.n} is negative")' in error.trace
            print(way, error.task, error.exc_type, error.exc, place)


def children() -> None:
    print(json.dumps(family.run(Number(n=0), additional_metadata={"customer": "c001"})))


def fickle_parent() -> None:
    print(fickle.run(Number(n=0)))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
