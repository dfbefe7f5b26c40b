"""What the code of a durable task gets when it is invoked again."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from podhatch import NonDeterminismError
from podhatch.api.durable_log import MAX_PAGE_ENTRIES, DurableCall, DurableValue
from podhatch.api.model import format_time
from podhatch.durable import journal as journals
from podhatch.durable.store import LogIdentity, LogStore
from podhatch.task.durable_context import DurableContext

from tests.unit.durable.invocations import MINUTE, Task, beside, cancelled, counter


async def test_a_memo_that_failed_may_succeed_in_a_later_invocation(task: Task) -> None:
    count, _ = counter()

    def flaky() -> int:
        if (number := count()) == 1:
            raise ConnectionError("try again")
        return number

    async def code(ctx: DurableContext) -> tuple[int, str]:
        try:
            first = await ctx.aio_memo(flaky, int)
        except ConnectionError:
            first = 0
        return first, await ctx.aio_memo(str, str, "then")

    assert await task.invoke(code) == (0, "then")
    for _ in range(2):
        assert await task.invoke(code) == (2, "then")


async def test_results_come_in_the_recorded_order(task: Task) -> None:
    """The second call of each branch is recorded by what ended first."""
    order: list[str] = []

    async def branch(ctx: DurableContext, name: str, sleep: timedelta) -> None:
        await ctx.aio_sleep_for(sleep)
        order.append(name)
        await ctx.aio_memo(str, str, name)

    async def code(ctx: DurableContext) -> list[str]:
        order.clear()
        await asyncio.gather(branch(ctx, "a", MINUTE), branch(ctx, "b", 2 * MINUTE))
        return [*order]

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    task.cluster.end(2)
    await asyncio.sleep(0.05)
    await task.rest()
    task.cluster.end(1)
    assert await running == ["b", "a"]
    assert [call.get("delivered") for call in task.cluster.calls] == [None, None, [2], [3, 1]]
    assert await task.invoke(code) == ["b", "a"]


async def test_a_wait_that_the_code_gives_up_holds_up_no_other(task: Task) -> None:
    async def code(ctx: DurableContext) -> list[bool]:
        first = asyncio.create_task(ctx.aio_sleep_for(MINUTE))
        second = asyncio.create_task(ctx.aio_wait_for_event("paid"))
        done, _ = await asyncio.wait([first, second], return_when=asyncio.FIRST_COMPLETED)
        second.cancel()
        await ctx.aio_now()
        return [first in done, second in done]

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    task.cluster.end(1)
    assert await running == [True, False]
    at = format_time(datetime.now(UTC))
    task.cluster.end(2, met=[{"key": "paid", "at": at, "value": "{}"}])
    assert await task.invoke(code) == [True, False]


async def test_a_wait_that_was_cancelled_comes_last_in_a_replay(task: Task) -> None:
    running = asyncio.create_task(task.invoke(beside))
    await task.rest()
    running.cancel()
    await asyncio.wait([running])
    task.cluster.end(1)
    task.cluster.end(2, met=[{"key": "paid", "at": format_time(datetime.now(UTC))}])

    async def either(ctx: DurableContext) -> object:
        return await beside(ctx, cancels=False)

    assert await task.invoke(either) == [False], "the sleep was over before the event"


async def test_a_wait_that_is_not_cancelled_again_is_open_again(task: Task) -> None:
    running = asyncio.create_task(task.invoke(beside))
    await task.rest()
    assert cancelled(task) == [1]
    running.cancel()
    await asyncio.wait([running])

    async def either(ctx: DurableContext) -> object:
        return await beside(ctx, cancels=False)

    running = asyncio.create_task(task.invoke(either))
    await task.rest()
    assert cancelled(task) == []
    task.cluster.end(1)
    assert await running == [True]


async def test_another_call_in_a_later_invocation_is_refused(task: Task) -> None:
    async def code(ctx: DurableContext) -> object:
        await ctx.aio_now()
        try:
            return await ctx.aio_memo(str, str, ctx.invocation_count)
        except NonDeterminismError as error:
            return error

    await task.invoke(code)
    error = await task.invoke(code)
    assert (error.node_id, error.invocation_count, error.task_external_id) == (2, 2, "job-2")
    assert str(error) == (
        "non-determinism in task approve of run orders-1: call 2 differs from an earlier "
        "invocation's: it was a memo (str), and is now one with other arguments; time, randomness "
        "and I/O belong into a memo"
    )


async def test_a_call_that_is_not_made_again_is_an_error(
    task: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "STUCK_SECONDS", 0.1)
    count, _ = counter()

    async def code(ctx: DurableContext) -> None:
        waiting = [ctx.aio_sleep_for(MINUTE)]
        if count() == 1:
            waiting.append(ctx.aio_sleep_for(2 * MINUTE))
        await asyncio.gather(*waiting)

    running = asyncio.create_task(task.invoke(code))
    await task.rest()
    task.cluster.end(1, 2)
    await running
    with pytest.raises(NonDeterminismError, match="is not made any more"):
        await task.invoke(code)


async def test_a_log_of_thousands_of_calls_is_replayed_from_its_pages(task: Task) -> None:
    count = 5_000
    identity = LogIdentity("shop", "log", "orders-1", "uid-1", "approve", 1)
    log = LogStore(task.cluster, identity)
    await log.open()
    at = datetime.now(UTC)
    nodes = range(1, count + 1)
    calls = [
        DurableCall(node=node, kind="Memo", key="k", at=at, delivered=[node - 1][: node - 1])
        for node in nodes
    ]
    await log.append(calls, [DurableValue(node=node, value=str(node)) for node in nodes])
    assert len(task.cluster.objects("DurableLog")) >= count // MAX_PAGE_ENTRIES
    task.invocations = 1

    async def refuse() -> str:
        raise AssertionError("it is stored")

    async def code(ctx: DurableContext) -> int:
        return sum([int(await ctx.journal.memo("k", refuse, None)) for _ in range(count)])

    writes = task.cluster.writes
    assert await task.invoke(code) == sum(nodes)
    assert task.cluster.writes - writes == 1  # it takes the log over
