"""Durable tasks for the end-to-end tests: `durable.py NAME JSON` starts a run for each input.

It prints the names of the runs as a JSON list, and does not wait for them.
"""

import asyncio
import json
import os
import sys
import time
from datetime import timedelta
from typing import Any

from podhatch import (
    DurableContext,
    EvictionPolicy,
    Hatchet,
    SleepCondition,
    UserEventCondition,
    or_,
)
from podhatch.cluster import DURABLE_LOG, ApiError, Cluster
from pydantic import BaseModel

hatchet = Hatchet()
SOON = EvictionPolicy(ttl=timedelta(seconds=1))
"""A pod that waits is given up after a second."""
STAYS = EvictionPolicy(ttl=timedelta(minutes=10))


class Asked(BaseModel):
    """What a test asks for."""

    seconds: float = 5
    key: str = "go"
    parts: int = 3
    deaths: list[tuple[int, int, str]] = []
    """Attempt, number of its write to the cluster, and whether it dies before or after that."""
    stops: list[int] = []
    """After how many calls the first invocation stands still until it is killed, and so on."""


class Number(BaseModel):
    n: int


@hatchet.task(name="square", input_validator=Number)
def square(input: Number, ctx: Any) -> int:
    return input.n**2


class Writes:
    """Counts what this pod writes through the client, and ends the process where it is to die."""

    def __init__(self) -> None:
        self.count = 0
        asked = json.loads(os.environ.get("PODHATCH_INPUT", "{}")).get("deaths", [])
        attempt = int(os.environ.get("PODHATCH_ATTEMPT", "0"))
        self._deaths = [(number, when) for tried, number, when in asked if tried == attempt]

    def watch(self, name: str) -> None:
        """Count the requests of a verb."""
        send = getattr(Cluster, name)

        async def counted(*args: Any, **kwargs: Any) -> Any:
            self.count += 1
            number = self.count
            self._die(number, "before")
            answer = await send(*args, **kwargs)
            self._die(number, "after")
            return answer

        setattr(Cluster, name, counted)

    def _die(self, number: int, when: str) -> None:
        if (number, when) in self._deaths:
            os._exit(9)


writes = Writes()
if "PODHATCH_RUN" in os.environ:
    writes.watch("create")
    writes.watch("merge_patch")


def numbers(ctx: DurableContext) -> dict[str, int]:
    """Return how often the task was tried, as it sees it."""
    return {
        "attempt": ctx.attempt_number,
        "retries": ctx.retry_count,
        "invocation": ctx.invocation_count,
    }


@hatchet.durable_task(name="nap", input_validator=Asked, eviction_policy=SOON)
async def nap(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    began = await ctx.aio_now()
    await ctx.aio_sleep_for(timedelta(seconds=input.seconds), label="a nap")
    ended = await ctx.aio_now()
    return {"slept": (ended - began).total_seconds(), **numbers(ctx)}


@hatchet.durable_task(name="wait", input_validator=Asked, eviction_policy=SOON)
async def wait(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    began = (await ctx.aio_now()).isoformat()
    payload = await ctx.aio_wait_for_event(input.key)
    woken = (await ctx.aio_now()).isoformat()
    return {"payload": payload, "began": began, "woken": woken, **numbers(ctx)}


@hatchet.durable_task(name="stay", input_validator=Asked, eviction_policy=STAYS)
async def stay(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    payload = await ctx.aio_wait_for_event(input.key)
    return {"payload": payload, "woken": (await ctx.aio_now()).isoformat(), **numbers(ctx)}


@hatchet.durable_task(name="either", input_validator=Asked, eviction_policy=SOON)
async def either(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    return await ctx.aio_wait_for(
        "approval",
        or_(
            SleepCondition(timedelta(seconds=input.seconds), readable_data_key="late"),
            UserEventCondition(input.key, "input.n > 1"),
        ),
    )


@hatchet.durable_task(name="parent", input_validator=Asked, eviction_policy=SOON)
async def parent(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    items = [square.create_bulk_run_item(Number(n=n)) for n in range(input.parts)]
    first = await square.aio_run_many(items)
    await ctx.aio_sleep_for(timedelta(seconds=input.seconds))
    both = await asyncio.gather(square.aio_run(Number(n=10)), square.aio_run(Number(n=11)))
    return {"squares": [*first, *both], **numbers(ctx)}


@hatchet.durable_task(name="gives_up", input_validator=Asked, eviction_policy=SOON)
async def gives_up(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    nap = asyncio.create_task(ctx.aio_sleep_for(timedelta(seconds=input.seconds)))
    event = asyncio.create_task(ctx.aio_wait_for_event(input.key))
    await asyncio.sleep(0)
    await ctx.aio_now()
    nap.cancel()
    return {"payload": await event, **numbers(ctx)}


@hatchet.durable_task(name="fickle", input_validator=Asked, eviction_policy=SOON)
async def fickle(input: Asked, ctx: DurableContext) -> None:
    await ctx.aio_now()
    if ctx.invocation_count == 1:
        await ctx.aio_sleep_for(timedelta(seconds=input.seconds))
    else:
        await ctx.aio_wait_for_event(input.key)


@hatchet.durable_task(name="twice", input_validator=Asked, eviction_policy=SOON, retries=1)
async def twice(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    await ctx.aio_sleep_for(timedelta(seconds=input.seconds))
    if ctx.retry_count == 0:
        raise ConnectionError("once more, please")
    await ctx.aio_sleep_for(timedelta(seconds=input.seconds))
    return numbers(ctx)


@hatchet.durable_task(name="turn", input_validator=Asked, eviction_policy=SOON, concurrency=1)
async def turn(input: Asked, ctx: DurableContext) -> dict[str, float]:
    """Wait for an event if there is a key, and then work; tell when."""
    if input.key:
        await ctx.aio_wait_for_event(input.key)
    began = time.time()
    await asyncio.sleep(input.seconds)
    return {"began": began, "ended": time.time()}


@hatchet.durable_task(name="thief", input_validator=Asked, eviction_policy=STAYS)
async def thief(input: Asked, ctx: DurableContext) -> list[str]:
    """Try to write the log that `key` names: its spec, its status, and another page."""
    await ctx.aio_now()
    cluster = await Cluster.connect()
    told: list[str] = []
    try:
        found = await cluster.get(DURABLE_LOG, cluster.namespace, f"{input.key}-0")
        told.append(found["spec"]["task"])
        page = {
            **found,
            "metadata": {"name": f"{input.key}-1"},
            "spec": {**found["spec"], "page": 1},
        }
        patch = {"spec": {"invocation": 99}}
        tries = (
            cluster.merge_patch(DURABLE_LOG, cluster.namespace, f"{input.key}-0", patch),
            cluster.create(page),
            cluster.replace_status({**found, "status": {"waits": []}}),
            cluster.delete(DURABLE_LOG, cluster.namespace, f"{input.key}-0"),
        )
        for each in tries:
            try:
                await each
                told.append("written")
            except ApiError as error:
                told.append(str(error.status))
    finally:
        await cluster.close()
    return told


@hatchet.durable_task(name="program", input_validator=Asked, eviction_policy=STAYS, retries=3)
async def program(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    """Make one call of each kind, some of them at the same time."""
    began = await ctx.aio_now()
    first, waited = await asyncio.gather(
        square.aio_run(Number(n=2)),
        ctx.aio_wait_for("short", SleepCondition(timedelta(seconds=input.seconds))),
    )
    second = await square.aio_run(Number(n=3))
    again = await ctx.aio_now()
    return {
        "squares": [first, second],
        "keys": sorted(waited["CREATE"]),
        "later": again >= began,
        "writes": writes.count,
    }


@hatchet.durable_task(
    name="steps", input_validator=Asked, eviction_policy=STAYS, execution_timeout="10m"
)
async def steps(input: Asked, ctx: DurableContext) -> dict[str, Any]:
    """Make six calls, and stand still between them where `stops` says."""

    async def stop(calls: int) -> None:
        asked = input.stops[ctx.invocation_count - 1 :][:1]
        if asked == [calls]:
            await asyncio.Event().wait()

    await stop(0)
    began = await ctx.aio_now()
    await stop(1)
    squares = [await square.aio_run(Number(n=2))]
    await stop(2)
    await ctx.aio_sleep_for(timedelta(seconds=0.5))
    await stop(3)
    squares += await asyncio.gather(square.aio_run(Number(n=3)), square.aio_run(Number(n=4)))
    await stop(5)
    text = await ctx.aio_memo(str, str, squares)
    await stop(6)
    later = (await ctx.aio_now()) > began
    return {"squares": squares, "text": text, "later": later}


def main() -> None:
    """Start the runs."""
    name, inputs = sys.argv[1:]
    task = globals()[name]
    asked = [Asked.model_validate(each) for each in json.loads(inputs)]
    started = task.run_many_no_wait([task.create_bulk_run_item(each) for each in asked])
    print(json.dumps([each.workflow_run_id for each in started]))


if __name__ == "__main__":
    main()
