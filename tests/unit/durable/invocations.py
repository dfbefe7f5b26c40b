"""Invocations of a durable task on a cluster in memory."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from podhatch.api.model import JsonObject, format_time
from podhatch.cluster import ApiError, Kind
from podhatch.cluster.in_memory import InMemoryCluster
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


def counter() -> tuple[Callable[[], int], list[int]]:
    """Return a function that returns another number each time, and the numbers so far."""
    made: list[int] = []

    def count() -> int:
        made.append(len(made) + 1)
        return made[-1]

    return count, made


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
