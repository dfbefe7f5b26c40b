"""A durable task's bare function, whose waits take no time."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from podhatch import (
    Context,
    DurableContext,
    Hatchet,
    SleepCondition,
    UserEventCondition,
    or_,
)
from podhatch.definitions import mock_journal
from pydantic import BaseModel

hatchet = Hatchet()


class Approval(BaseModel):
    by: str


@hatchet.durable_task()
async def nap(input: Any, ctx: DurableContext) -> timedelta:
    began = await ctx.aio_now()
    await ctx.aio_sleep_for(timedelta(days=30))
    return await ctx.aio_now() - began


@hatchet.durable_task()
async def approval(input: Any, ctx: DurableContext) -> dict[str, Any]:
    """Remind every day until somebody approves."""
    reminders = 0
    while True:
        met = await ctx.aio_wait_for(
            "approval", or_(SleepCondition("24h"), UserEventCondition("approved"))
        )
        if "approved" in met["CREATE"]:
            return {"reminders": reminders, "payload": met["CREATE"]["approved"][0]}
        reminders += 1


@hatchet.durable_task()
async def stubborn(input: Any, ctx: DurableContext) -> Approval:
    return await ctx.aio_wait_for_event("approved", payload_validator=Approval)


async def test_a_month_of_sleep_is_over_at_once() -> None:
    assert await nap.aio_mock_run() == timedelta(days=30)


async def test_an_event_comes_at_its_turn() -> None:
    events = {"approved": [None, None, {"by": "Ada"}]}
    assert await approval.aio_mock_run(events=events) == {
        "reminders": 2,
        "payload": {"by": "Ada"},
    }


async def test_an_event_comes_at_each_wait() -> None:
    assert await stubborn.aio_mock_run(events={"approved": Approval(by="Bob")}) == Approval(
        by="Bob"
    )


async def test_a_wait_that_never_ends_is_an_error() -> None:
    with pytest.raises(
        LookupError, match=r"waits for event approved, .* events={'approved': \.\.\.}"
    ):
        await stubborn.aio_mock_run()
    with pytest.raises(LookupError, match="approved"):
        await stubborn.aio_mock_run(events={"approved": [None]})


async def test_sleeps_end_in_the_order_of_their_times() -> None:
    @hatchet.durable_task()
    async def race(input: Any, ctx: DurableContext) -> list[tuple[str, float]]:
        began = await ctx.aio_now()
        ended: list[tuple[str, float]] = []

        async def sleep(name: str, *hours: int) -> None:
            for each in hours:
                await ctx.aio_sleep_for(timedelta(hours=each))
            ended.append((name, (await ctx.aio_now() - began) / timedelta(hours=1)))

        await asyncio.gather(sleep("day", 24), sleep("steps", 1, 2, 3), sleep("none"))
        return ended

    assert await race.aio_mock_run() == [("none", 0.0), ("steps", 6.0), ("day", 24.0)]


async def test_a_cancelled_sleep_keeps_nobody_waiting() -> None:
    @hatchet.durable_task()
    async def impatient(input: Any, ctx: DurableContext) -> float:
        began = await ctx.aio_now()
        short = asyncio.create_task(ctx.aio_sleep_for(timedelta(hours=1)))
        long = asyncio.create_task(ctx.aio_sleep_for(timedelta(hours=2)))
        await asyncio.sleep(0)
        short.cancel()
        await long
        return (await ctx.aio_now() - began) / timedelta(hours=1)

    assert await impatient.aio_mock_run() == 2.0


async def test_all_conditions_must_hold() -> None:
    @hatchet.durable_task()
    async def both(input: Any, ctx: DurableContext) -> Any:
        began = await ctx.aio_now()
        met = await ctx.aio_wait_for("s", SleepCondition("1h"), UserEventCondition("e"))
        return met, await ctx.aio_now() - began

    met, took = await both.aio_mock_run(events={"e": {"n": 1}})
    assert met == {"CREATE": {"sleep:3600s": [{}], "e": [{"n": 1}]}}
    assert took == timedelta(hours=1)


async def test_memos_run_and_their_values_are_json() -> None:
    @hatchet.durable_task()
    async def remembers(input: Any, ctx: DurableContext) -> Any:
        def roll(sides: int) -> Approval:
            return Approval(by=str(sides))

        return await ctx.aio_memo(roll, None, 6), ctx.invocation_count

    assert await remembers.aio_mock_run() == ({"by": "6"}, 1)


async def test_code_beside_a_wait_goes_on_first() -> None:
    @hatchet.durable_task()
    async def busy(input: Any, ctx: DurableContext) -> list[str]:
        told: list[str] = []

        async def work() -> None:
            for _ in range(mock_journal.QUIET_TURNS - 5):
                await asyncio.sleep(0)
            await ctx.aio_sleep_for("1m")
            told.append("worked")

        async def sleep() -> None:
            await ctx.aio_sleep_for("1h")
            told.append("slept")

        await asyncio.gather(sleep(), work())
        return told

    assert await busy.aio_mock_run() == ["worked", "slept"]


def test_events_are_for_durable_tasks() -> None:
    @hatchet.task()
    def plain(input: Any, ctx: Context) -> None:
        raise AssertionError

    with pytest.raises(TypeError, match="events: it is not durable"):
        plain.mock_run(events={})
