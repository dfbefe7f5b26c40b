"""Records the calls of a durable task, and the values of its memos: one write at a time."""

from collections.abc import Awaitable, Callable, Coroutine
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
    values: list[tuple[OpenCall, str]]
    """Memos, and their values."""


class Recorder:
    """What is to be stored, until it is."""

    def __init__(self, store: LogStore, in_background: InBackground) -> None:
        self._store = store
        self._in_background = in_background
        self._waiting = Batch([], [])

    @property
    def is_due(self) -> bool:
        """Whether there is something to store; a memo alone waits for its value."""
        calls, values = self._waiting
        return bool(values) or any(call.kind != MEMO for call in calls)

    def add(self, call: OpenCall) -> None:
        """Have a new call stored."""
        self._waiting.calls.append(call)

    def keep(self, memo: OpenCall, value: str) -> None:
        """Have the value of a memo stored."""
        self._waiting.values.append((memo, value))

    def take(self) -> Batch:
        """Return all that is to be stored, for `write`."""
        batch, self._waiting = self._waiting, Batch([], [])
        return batch

    async def write(self, batch: Batch) -> None:
        """Store it: see `LogStore.append`."""
        calls = [call.entry for call in batch.calls if call.entry is not None]
        values = [
            DurableValue(node=memo.node, branch=memo.branch, value=text)
            for memo, text in batch.values
        ]
        await self._in_background(self._store.append(calls, values))
