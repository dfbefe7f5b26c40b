"""The calls of one invocation: what is to be stored of them, and what the operator says of them."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from podhatch.api.durable_log import DurableCall, DurableValue, DurableWait
from podhatch.api.limits import MEMO, CallKind
from podhatch.api.model import JsonObject
from podhatch.core.durable.progress import WaitKey, over_calls, stored_waits
from podhatch.durable.store import LogStore

InBackground = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]
"""Starts a coroutine of the store in its event loop."""


@dataclass
class OpenCall:
    """A call of this invocation, until the code has its result.

    Attributes:
        entry: What is to be stored; None once it is.
        at: When the call was made first.
        since: When this invocation made it, by the loop's clock.
        result: What the code waits for.
        stored: Done once the call counts.
        over: What the operator says of it.
        outcome: What is to be given: a value, or an error.
        is_busy: Whether something is done for it here, so that it does not only wait.
        work: What is done for it beside the code.
    """

    node: int
    branch: int
    kind: CallKind
    entry: DurableCall | None
    at: datetime
    since: float
    result: asyncio.Future[Any]
    stored: asyncio.Future[None]
    over: asyncio.Future[DurableWait]
    outcome: tuple[object, BaseException | None] | None = None
    is_busy: bool = False
    work: "set[asyncio.Task[None]]" = field(default_factory=set["asyncio.Task[None]"])

    @property
    def key(self) -> WaitKey:
        """What the operator knows it by."""
        return self.node, self.branch

    def work_on(self, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """Have something done for it beside the code."""
        task = asyncio.create_task(work)
        self.work.add(task)
        return task

    def count(self, over: DurableWait | None) -> None:
        """Let it count: it is stored, and the operator may have said that it is over."""
        self.entry = None
        if not self.stored.done():
            self.stored.set_result(None)
        if over is not None and not self.over.done():
            self.over.set_result(over)

    def close(self) -> None:
        """Stop what is done for it."""
        for each in (*self.work, self.stored, self.over):
            each.cancel()


class Batch(NamedTuple):
    """What goes into one write."""

    calls: list[OpenCall]
    values: list[tuple[OpenCall, DurableValue]]
    """Memos, and what they returned."""
    cancelled: frozenset[int]
    """Nodes of calls that the code does not wait for any more."""


class Recorder:
    """What is to be stored, until it is.

    Attributes:
        cancelled: Nodes of cancelled calls, as they are stored.
    """

    def __init__(
        self, store: LogStore, in_background: InBackground, cancelled: frozenset[int]
    ) -> None:
        self.cancelled = cancelled
        self._store = store
        self._in_background = in_background
        self._calls: list[OpenCall] = []
        self._values: list[tuple[OpenCall, DurableValue]] = []

    @property
    def is_due(self) -> bool:
        """Whether there is something to store; a memo alone waits for its value."""
        return bool(self._values) or any(call.kind != MEMO for call in self._calls)

    def add(self, call: OpenCall) -> None:
        """Have a new call stored."""
        self._calls.append(call)

    def keep(self, memo: OpenCall, value: str, at: datetime) -> None:
        """Have the value of a memo stored."""
        stored = DurableValue(node=memo.node, branch=memo.branch, value=value, at=at)
        self._values.append((memo, stored))

    def take(self, cancelled: frozenset[int]) -> Batch:
        """Return all that is to be stored, for `write`."""
        batch = Batch(self._calls, self._values, cancelled)
        self._calls, self._values = [], []
        return batch

    async def write(self, batch: Batch) -> None:
        """Store it: see `LogStore.append`."""
        calls = [call.entry for call in batch.calls if call.entry is not None]
        values = [value for _, value in batch.values]
        cancelled = None if batch.cancelled == self.cancelled else sorted(batch.cancelled)
        await self._in_background(self._store.append(calls, values, cancelled))
        self.cancelled = batch.cancelled


class Waits:
    """What the operator has said of the calls so far.

    Attributes:
        over: The waits that are over.
    """

    def __init__(self) -> None:
        self.over: dict[WaitKey, DurableWait] = {}
        self._over_nodes: set[int] = set()
        """Of calls, and not of waits of calls that were reset."""

    def read(self, page: JsonObject) -> list[DurableWait]:
        """Take over what a page says, and return the waits that are over since."""
        self._over_nodes |= {node for node, _ in over_calls(page)}
        found: list[DurableWait] = []
        for key, raw in stored_waits(page).items():
            if key not in self.over and ("overAt" in raw or "error" in raw):
                self.over[key] = DurableWait.model_validate(raw)
                found.append(self.over[key])
        return found

    def count(self, cancelled: frozenset[int]) -> int:
        """Return how many waits of the log are over, without those that were cancelled."""
        return len(self._over_nodes) - len(self._over_nodes & cancelled)
