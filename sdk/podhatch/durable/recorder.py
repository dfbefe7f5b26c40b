"""Records the calls of a durable task, what its memos return, and which calls are cancelled."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import datetime
from typing import Any, NamedTuple

from podhatch.api.durable_log import DurableValue
from podhatch.api.limits import MEMO
from podhatch.durable.open_call import OpenCall
from podhatch.durable.store import LogStore

InBackground = Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]]
"""Starts a coroutine of the store in its event loop."""


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
