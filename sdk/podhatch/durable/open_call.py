"""A call of a durable task while the code waits for its result."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from podhatch.api.durable_log import DurableCall, DurableWait
from podhatch.api.limits import CallKind
from podhatch.core.durable.progress import WaitKey


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
