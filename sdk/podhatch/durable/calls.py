"""The calls of one invocation: what is to be stored of them, and what the operator says of them."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podhatch.api.durable_log import DurableCall, DurableValue, DurableWait
from podhatch.api.limits import MEMO, CallKind
from podhatch.api.model import JsonObject
from podhatch.core.durable.progress import WaitKey, over_calls, stored_waits


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


@dataclass
class Batch:
    """What goes into the next write."""

    calls: list[OpenCall] = field(default_factory=list[OpenCall])
    values: list[tuple[OpenCall, DurableValue]] = field(
        default_factory=list[tuple[OpenCall, DurableValue]]
    )
    """Memos, and what they returned."""

    @property
    def is_due(self) -> bool:
        """Whether there is something to store; a memo alone waits for its value."""
        return bool(self.values) or any(call.kind != MEMO for call in self.calls)


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
