"""Durable tasks without a cluster: the operator's own code says which wait is over."""

import asyncio
import itertools
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import (
    Context,
    DurableContext,
    EvictionPolicy,
    Hatchet,
    SleepCondition,
    UserEventCondition,
    or_,
)
from podhatch.errors import FailedTaskRunExceptionGroup
from podhatch.testing import FakeClock, LocalEvent, LocalRuns
from pydantic import BaseModel

hatchet = Hatchet()
START = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
QUICK = 20.0
"""Seconds that a test may take, in which days pass for its tasks."""


class Number(BaseModel):
    n: int


@hatchet.task(input_validator=Number)
def square(input: Number, ctx: Context) -> int:
    return input.n**2


@hatchet.durable_task()
async def month(input: Any, ctx: DurableContext) -> float:
    began = await ctx.aio_now()
    for _ in range(30):
        await ctx.aio_sleep_for(DAY)
    return (await ctx.aio_now() - began) / DAY


@hatchet.durable_task()
async def approval(input: Any, ctx: DurableContext) -> dict[str, Any]:
    reminders = 0
    while True:
        met = await ctx.aio_wait_for(
            "approval", or_(SleepCondition(DAY), UserEventCondition("approved", "input.n > 1"))
        )
        if "approved" in met["CREATE"]:
            return {"reminders": reminders, "payload": met["CREATE"]["approved"]}
        reminders += 1


def test_a_month_of_sleep_takes_no_time() -> None:
    began = time.monotonic()
    assert month.run_local(clock=FakeClock(START)) == 30
    assert time.monotonic() - began < QUICK


def test_a_reminder_comes_every_day_until_somebody_approves() -> None:
    events = [
        LocalEvent("approved", {"n": 1}, after=timedelta(hours=5)),
        LocalEvent("approved", {"n": 2}, after=timedelta(days=3, hours=5)),
    ]
    told = approval.run_local(clock=FakeClock(START), events=events)
    assert told == {"reminders": 3, "payload": [{"n": 2}]}


def test_waits_end_in_the_order_of_their_times() -> None:
    @hatchet.durable_task()
    async def race(input: Any, ctx: DurableContext) -> list[tuple[str, float]]:
        began = await ctx.aio_now()
        ended: list[tuple[str, float]] = []

        async def sleep(name: str, *hours: int) -> None:
            for each in hours:
                await ctx.aio_sleep_for(timedelta(hours=each))
            ended.append((name, round((await ctx.aio_now() - began) / timedelta(hours=1), 3)))

        await asyncio.gather(sleep("day", 24), sleep("steps", 1, 2, 3), sleep("two", 2))
        return ended

    assert race.run_local(clock=FakeClock(START)) == [("two", 2.0), ("steps", 6.0), ("day", 24.0)]


def test_an_execution_timeout_stops_while_the_task_waits_longer_than_its_eviction_ttl() -> None:
    clock = FakeClock(START)
    second = timedelta(seconds=1)

    @hatchet.durable_task(execution_timeout=10 * second, eviction_policy=EvictionPolicy(5 * second))
    async def patient(input: Any, ctx: DurableContext) -> str:
        for _ in range(3):
            clock.advance(4)
            await ctx.aio_sleep_for(DAY)
        return "done"

    assert patient.run_local(clock=clock) == "done"

    @hatchet.durable_task(execution_timeout=4 * second, eviction_policy=EvictionPolicy(5 * second))
    async def impatient(input: Any, ctx: DurableContext) -> None:
        await ctx.aio_sleep_for(DAY)

    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        impatient.run_local(clock=clock)
    assert "exceeded timeout of 4s" in str(failure.value)


def test_children_are_started_once_by_all_attempts(podhatch_local: LocalRuns) -> None:
    rolls = itertools.count()

    @hatchet.durable_task(retries=2)
    async def parent(input: Any, ctx: DurableContext) -> dict[str, Any]:
        first = await ctx.aio_memo(lambda: next(rolls), None)
        items = [square.create_bulk_run_item(Number(n=n)) for n in range(3)]
        many = await square.aio_run_many(items)
        await ctx.aio_sleep_for(DAY)
        if ctx.retry_count < 2:
            raise ConnectionError
        both = await asyncio.gather(square.aio_run(Number(n=5)), square.aio_run(Number(n=6)))
        return {"memo": first, "squares": [*many, *both]}

    began = podhatch_local.clock.now()
    assert parent.run() == {"memo": 0, "squares": [0, 1, 4, 25, 36]}
    assert len(podhatch_local.runs) == 1 + 5
    assert podhatch_local.attempts("parent", podhatch_local.runs[0].metadata.name) == 3
    assert DAY <= podhatch_local.clock.now() - began < 2 * DAY, "the sleep began anew"


def test_a_replay_reads_the_log(podhatch_local: LocalRuns) -> None:
    rolls = itertools.count()

    @hatchet.durable_task()
    async def roll(input: Any, ctx: DurableContext) -> list[Any]:
        value = await ctx.aio_memo(lambda: next(rolls), None)
        await ctx.aio_sleep_for(DAY)
        return [value, (await ctx.aio_now()).isoformat()]

    run = roll.run_no_wait()
    first = run.result()
    hatchet.runs.replay(run.workflow_run_id)
    assert run.result() == first
    assert podhatch_local.clock.now() - datetime.fromisoformat(first[1]) < DAY


def test_an_event_that_is_pushed_later_wakes_a_task(podhatch_local: LocalRuns) -> None:
    @hatchet.durable_task()
    async def waits(input: Any, ctx: DurableContext) -> Number:
        return await ctx.aio_wait_for_event("go", "input.n > 1", payload_validator=Number)

    run = waits.run_no_wait()
    podhatch_local.push_event("go", {"n": 1})
    podhatch_local.push_event("go", {"n": 2})
    assert run.result() == Number(n=2)


def test_an_expression_that_fails_ends_the_wait() -> None:
    @hatchet.durable_task()
    async def typo(input: Any, ctx: DurableContext) -> None:
        await ctx.aio_wait_for_event("go", "input.missing > 1")

    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        typo.run_local(clock=FakeClock(START), events=[LocalEvent("go", after=DAY)])
    assert "input.missing > 1" in str(failure.value)


def test_another_call_in_a_later_attempt_is_noticed() -> None:
    @hatchet.durable_task(retries=1)
    async def fickle(input: Any, ctx: DurableContext) -> None:
        await ctx.aio_now()
        await ctx.aio_sleep_for(DAY if ctx.retry_count == 0 else 2 * DAY)
        raise ConnectionError

    with pytest.raises(FailedTaskRunExceptionGroup) as failure:
        fickle.run_local(clock=FakeClock(START))
    assert "NonDeterminismError" in str(failure.value)
    assert "call 2 differs" in str(failure.value)


def test_a_cancelled_run_ends_a_task_that_waits(podhatch_local: LocalRuns) -> None:
    @hatchet.durable_task()
    async def forever(input: Any, ctx: DurableContext) -> None:
        await ctx.aio_wait_for_event("never")

    run = forever.run_no_wait()
    hatchet.runs.cancel(run.workflow_run_id)
    assert podhatch_local.status(run).phase == "Cancelled"


def test_a_durable_task_in_a_workflow_waits_for_its_parents() -> None:
    flow = hatchet.workflow("durable-flow")

    @flow.task()
    def first(input: Any, ctx: Context) -> int:
        return 20

    @flow.durable_task(parents=[first])
    async def second(input: Any, ctx: DurableContext) -> int:
        await ctx.aio_sleep_for(timedelta(days=ctx.task_output(first)))
        return ctx.task_output(first) + 1

    @flow.task(parents=[second])
    def third(input: Any, ctx: Context) -> int:
        return ctx.task_output(second) + 1

    assert flow.run_local(clock=FakeClock(START)) == {"first": 20, "second": 21, "third": 22}


def test_sleeps_take_their_time_by_the_clock_of_the_machine() -> None:
    @hatchet.durable_task()
    async def short(input: Any, ctx: DurableContext) -> float:
        began = time.monotonic()
        await ctx.aio_sleep_for(timedelta(seconds=0.3))
        return time.monotonic() - began

    assert 0.3 <= short.run_local() < 5


def test_a_child_process_waits_too() -> None:
    assert process_nap.run_local(processes=True) == "slept"


@hatchet.durable_task()
async def process_nap(input: Any, ctx: DurableContext) -> str:
    await ctx.aio_sleep_for(timedelta(seconds=0.1))
    return "slept"
