"""What the code of a durable task gets, and what is stored before it does."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import pytest
from podhatch import IllegalTaskOutputError, InvalidRun, SleepCondition, UserEventCondition
from podhatch.api.durable_log import MAX_PAGE_ENTRIES, MAX_STORED_VALUE_BYTES
from podhatch.api.model import JsonObject, format_time
from podhatch.core.durable.progress import waits_over
from podhatch.task.durable_context import DurableContext

from tests.unit.durable.invocations import MINUTE, SECONDS, Task, beside, cancelled, counter


async def test_a_memo_is_made_once_and_is_one_write(task: Task) -> None:
    count, made = counter()

    async def code(ctx: DurableContext) -> int:
        return await ctx.aio_memo(count, int)

    assert await task.invoke(code) == 1
    assert task.cluster.writes == 1
    assert await task.invoke(code) == 1
    assert made == [1]


async def test_a_memo_that_fails_is_made_again(task: Task) -> None:
    count, _ = counter()

    def flaky() -> int:
        if (number := count()) == 1:
            raise ConnectionError("try again")
        return number

    async def code(ctx: DurableContext) -> int:
        return await ctx.aio_memo(flaky, int)

    with pytest.raises(ConnectionError):
        await task.invoke(code)
    assert await task.invoke(code) == 2


async def test_a_value_that_is_too_large_is_refused(task: Task) -> None:
    async def code(ctx: DurableContext) -> str:
        return await ctx.aio_memo("x".__mul__, str, MAX_STORED_VALUE_BYTES)

    with pytest.raises(IllegalTaskOutputError, match="65538 bytes"):
        await task.invoke(code)


async def test_a_memo_holds_no_other_call(task: Task) -> None:
    async def code(ctx: DurableContext) -> None:
        await ctx.aio_memo(ctx.aio_now)

    with pytest.raises(InvalidRun, match="a memo cannot sleep"):
        await task.invoke(code)


async def test_waits_that_begin_together_are_one_write(task: Task) -> None:
    async def nested(ctx: DurableContext) -> None:
        await asyncio.gather(ctx.aio_sleep_for(MINUTE), ctx.aio_sleep_for(2 * MINUTE))

    async def code(ctx: DurableContext) -> None:
        await asyncio.gather(ctx.aio_sleep_for(3 * MINUTE), nested(ctx))

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    assert task.cluster.writes == 1
    task.cluster.end(1, 2, 3)
    await running


async def test_a_wait_returns_what_was_met(task: Task) -> None:
    async def code(ctx: DurableContext) -> object:
        return await ctx.aio_wait_for("go", SleepCondition(MINUTE), UserEventCondition("paid"))

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    [call] = task.cluster.calls
    assert call["label"] == "go"
    assert call["waitFor"] == [{"sleepSeconds": 60.0}, {"event": {"key": "paid"}}]
    at = format_time(datetime.now(UTC))
    met = [{"key": "sleep:60s", "at": at}, {"key": "paid", "at": at, "value": '{"n": 1}'}]
    task.cluster.end(1, met=met)
    expected: JsonObject = {"CREATE": {"sleep:60s": [{}], "paid": [{"n": 1}]}}
    assert await running == expected
    assert await task.invoke(code) == expected


async def test_a_wait_that_ends_with_an_error_raises_it(task: Task) -> None:
    async def code(ctx: DurableContext) -> object:
        return await ctx.aio_wait_for_event("paid", "input.n > 1")

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    task.cluster.end(1, error="input.n: no such key")
    with pytest.raises(ValueError, match="no such key"):
        await running


async def test_a_wait_that_the_code_cancels_is_closed_in_the_log(task: Task) -> None:
    running = asyncio.create_task(task.invoke(beside))
    await task.rest()
    assert cancelled(task) == [1]
    task.cluster.end(1)
    await asyncio.sleep(0.05)
    pages = task.cluster.objects("DurableLog")
    assert task.journal.parked == waits_over(pages) == 0, "it resumes no task"
    writes = task.cluster.writes
    task.cluster.end(2, met=[{"key": "paid", "at": format_time(datetime.now(UTC))}])
    assert await running == {}
    assert task.cluster.writes == writes


async def test_a_wait_that_is_cancelled_with_a_new_call_takes_no_write_of_its_own(
    task: Task,
) -> None:
    async def code(ctx: DurableContext) -> None:
        nap = asyncio.create_task(ctx.aio_sleep_for(MINUTE))
        await asyncio.sleep(0)
        await ctx.aio_now()
        nap.cancel()
        await ctx.aio_wait_for_event("paid")

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    assert cancelled(task) == [1]
    assert task.cluster.writes == 2
    running.cancel()


async def test_a_task_that_is_interrupted_cancels_nothing_in_its_log(task: Task) -> None:
    async def code(ctx: DurableContext) -> None:
        await asyncio.gather(ctx.aio_sleep_for(MINUTE), ctx.aio_sleep_for(2 * MINUTE))

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    running.cancel()
    await asyncio.sleep(0.05)
    assert cancelled(task) == []


async def test_a_child_is_started_although_the_code_cancels_its_wait(task: Task) -> None:
    begun, going_on, started = asyncio.Event(), asyncio.Event(), list[str]()

    async def start() -> None:
        begun.set()
        await going_on.wait()
        started.append("child-1")

    async def read() -> None: ...

    async def code(ctx: DurableContext) -> None:
        child = asyncio.create_task(ctx.journal.child("key", "child-1", start, read, None))
        await begun.wait()
        child.cancel()
        await ctx.aio_wait_for_event("paid")

    running = asyncio.create_task(task.invoke(code))
    await asyncio.wait_for(begun.wait(), SECONDS)
    await asyncio.sleep(0.05)
    assert task.journal.parked is None, "it would be evicted before the child is there"
    going_on.set()
    await task.rest()
    assert (started, cancelled(task)) == (["child-1"], [1])
    running.cancel()


async def test_more_cancelled_waits_than_a_page_lists_are_the_latest(task: Task) -> None:
    count = MAX_PAGE_ENTRIES + 2

    async def code(ctx: DurableContext) -> None:
        naps = [asyncio.create_task(ctx.aio_sleep_for(MINUTE)) for _ in range(count)]
        await asyncio.sleep(0)
        await ctx.aio_now()
        for nap in naps:
            nap.cancel()
        await ctx.aio_wait_for_event("paid")

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    assert cancelled(task) == [*range(3, count + 1)]
    writes = task.cluster.writes
    await asyncio.sleep(0.05)
    assert task.cluster.writes == writes
    running.cancel()


async def test_a_task_that_waits_longer_than_its_ttl_is_evicted(task: Task) -> None:
    task.ttl = 0.2

    async def code(ctx: DurableContext) -> None:
        await ctx.aio_sleep_for(MINUTE)
        await asyncio.gather(ctx.aio_sleep_for(MINUTE), ctx.aio_sleep_for(2 * MINUTE))

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    task.cluster.end(1)
    await asyncio.sleep(0.3)
    assert task.evicted == [1]
    assert not running.done()
    running.cancel()


async def test_a_task_whose_memo_runs_is_not_evicted(task: Task) -> None:
    task.ttl = 0.05
    going_on = asyncio.Event()

    async def code(ctx: DurableContext) -> None:
        await asyncio.gather(ctx.aio_sleep_for(MINUTE), ctx.aio_memo(going_on.wait))

    running = asyncio.create_task(task.invoke(code))
    await asyncio.sleep(0.2)
    assert (task.evicted, task.journal.parked) == ([], None)
    going_on.set()
    await task.rest()
    await asyncio.sleep(0.2)
    assert task.evicted == [0]
    running.cancel()


async def test_a_child_is_started_once_its_call_is_stored(task: Task) -> None:
    steps: list[object] = []

    async def start() -> None:
        steps.append([call["child"] for call in task.cluster.calls])

    async def read() -> str:
        steps.append("read")
        return "output"

    async def code(ctx: DurableContext) -> str:
        return await ctx.journal.child("key", "child-1", start, read, "part")

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    assert steps == [["child-1"]]
    task.cluster.end(1)
    assert await running == "output"
    assert await task.invoke(code) == "output"
    assert steps == [["child-1"], "read", "read"]


async def test_an_error_of_a_child_is_raised_in_its_turn(task: Task) -> None:
    async def start() -> None:
        raise LookupError("no such workflow")

    async def read() -> None: ...

    async def code(ctx: DurableContext) -> None:
        await ctx.journal.child("key", "child-1", start, read, None)

    with pytest.raises(LookupError):
        await task.invoke(code)


async def test_a_log_that_cannot_be_written_raises_in_all_calls(task: Task) -> None:
    async def code(ctx: DurableContext) -> Sequence[object]:
        task.cluster.is_closed = True
        waits = [ctx.aio_sleep_for(MINUTE), ctx.aio_now()]
        return await asyncio.gather(*waits, return_exceptions=True)

    first, second = await task.invoke(code)
    assert "no more" in str(first)
    assert first is second


async def test_a_pod_that_has_a_successor_gives_no_result_any_more(task: Task) -> None:
    async def code(ctx: DurableContext) -> None:
        await ctx.aio_sleep_for(MINUTE)

    context = await task.begin()
    running = asyncio.create_task(code(context))
    await task.rest()
    stale = task.journal
    await task.begin()
    task.cluster.end(1)
    await asyncio.sleep(0.05)
    assert (task.lost, running.done(), stale.parked) == (1, False, None)
    running.cancel()


async def test_calls_belong_to_one_event_loop(task: Task) -> None:
    async def code(ctx: DurableContext) -> None:
        await ctx.aio_now()
        await asyncio.to_thread(lambda: asyncio.run(ctx.aio_now()))

    with pytest.raises(InvalidRun, match="in one event loop"):
        await task.invoke(code)


async def test_another_thread_is_refused_even_if_it_is_first(task: Task) -> None:
    async def code(ctx: DurableContext) -> datetime:
        with pytest.raises(InvalidRun, match="in no other thread"):
            await asyncio.to_thread(lambda: asyncio.run(ctx.aio_now()))
        return await ctx.aio_now()

    assert isinstance(await task.invoke(code), datetime)
