"""What the code of a durable task gets, and what is stored before it does."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import (
    IllegalTaskOutputError,
    InvalidRun,
    NonDeterminismError,
    SleepCondition,
    UserEventCondition,
)
from podhatch.api.durable_log import (
    MAX_PAGE_ENTRIES,
    MAX_STORED_VALUE_BYTES,
    DurableCall,
    DurableValue,
)
from podhatch.api.model import JsonObject, format_time
from podhatch.cluster import ApiError, Kind
from podhatch.cluster.in_memory import InMemoryCluster
from podhatch.core.durable.progress import waits_over
from podhatch.durable import journal as journals
from podhatch.durable.journal import LogJournal
from podhatch.durable.store import LogIdentity, LogStore
from podhatch.task.durable_context import DurableContext

MINUTE = timedelta(minutes=1)
SECONDS = 30.0
"""After which a test that waits has failed."""


class Cluster(InMemoryCluster):
    """Counts what is written to the log, or refuses it."""

    def __init__(self) -> None:
        super().__init__("shop")
        self.writes = 0
        self.is_closed = False

    def requested(self, verb: str, kind: Kind, *, dry_run: bool = False) -> None:
        if verb in ("create", "patch"):
            self.writes += 1
            if self.is_closed:
                raise ApiError(403, "Forbidden", "no more")

    @property
    def calls(self) -> list[JsonObject]:
        return [call for page in self.objects("DurableLog") for call in page["spec"]["calls"]]

    @property
    def values(self) -> list[str]:
        pages = self.objects("DurableLog")
        return [each["value"] for page in pages for each in page["spec"]["values"]]

    def end(self, *nodes: int, **fields: object) -> None:
        """End waits, as the operator does."""
        [page] = self.objects("DurableLog")
        waits: list[JsonObject] = page.get("status", {}).get("waits", [])
        over = {"overAt": format_time(datetime.now(UTC))}
        waits += [{"node": node, "branch": 1, **over, **fields} for node in nodes]
        self.change("DurableLog", "log-0", status={"waits": waits})


class Task:
    """The invocations of a durable task."""

    def __init__(self) -> None:
        self.cluster = Cluster()
        self.evicted: list[int] = []
        self.lost = 0
        self.invocations = 0
        self.ttl: float | None = None
        self.at_rest = asyncio.Event()
        self.journal: LogJournal

    async def begin(self) -> DurableContext:
        self.invocations += 1
        name = f"job-{self.invocations}"
        identity = LogIdentity("shop", "log", "orders-1", "uid-1", "approve", self.invocations)
        store = LogStore(self.cluster, identity)
        self.journal = LogJournal(
            store,
            await store.open(),
            task_run_id=name,
            ttl=self.ttl,
            evict=self._evict,
            lose=self._lose,
            in_background=asyncio.ensure_future,
            on_parked=self._note,
        )
        context = DurableContext(
            workflow_run_id="orders-1", task_run_id=name, workflow_name="w", task_name="approve"
        )
        context.journal = self.journal
        return context

    async def invoke(self, code: Callable[[DurableContext], Awaitable[object]]) -> Any:
        context = await self.begin()
        try:
            return await asyncio.wait_for(code(context), SECONDS)
        finally:
            self.journal.close()

    async def rest(self) -> None:
        """Return once the code only waits."""
        await asyncio.wait_for(self.at_rest.wait(), SECONDS)

    def _note(self) -> None:
        self.at_rest.clear() if self.journal.parked is None else self.at_rest.set()

    def _evict(self, count: int) -> None:
        self.evicted.append(count)

    def _lose(self) -> None:
        self.lost += 1


@pytest.fixture
def task() -> Task:
    return Task()


def counter() -> tuple[Callable[[], int], list[int]]:
    """Return a function that returns another number each time, and the numbers so far."""
    made: list[int] = []

    def count() -> int:
        made.append(len(made) + 1)
        return made[-1]

    return count, made


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


def cancelled(task: Task) -> list[int]:
    """Return the calls that the log lists as cancelled."""
    pages = task.cluster.objects("DurableLog")
    return pages[-1]["spec"].get("cancelled", [])


async def beside(ctx: DurableContext, *, cancels: bool = True) -> object:
    """Begin two waits, cancel the first one once a memo is made, and return the other's result."""
    nap = asyncio.create_task(ctx.aio_sleep_for(MINUTE))
    event = asyncio.create_task(ctx.aio_wait_for_event("paid"))
    await asyncio.sleep(0)
    await ctx.aio_now()
    if cancels:
        nap.cancel()
        return await event
    done, _ = await asyncio.wait([nap, event], return_when=asyncio.FIRST_COMPLETED)
    return [each is nap for each in done]


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
