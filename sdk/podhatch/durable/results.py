"""The results of a durable task's calls: which one the code gets next, and which ones never.

In a replay that is the recorded order; afterwards the order of the times at which they were there.
`Turns` says when: once the code has done all that it can do.
"""

import asyncio
from collections.abc import Callable
from datetime import datetime
from heapq import heappop, heappush

from podhatch.api.durable_log import MAX_PAGE_ENTRIES
from podhatch.api.limits import MEMO, RUN
from podhatch.durable.calls import OpenCall
from podhatch.durable.history import History

MAX_TURNS = 1000
"""Turns of an event loop that never rests, after which it counts as resting."""
FIXED_TURNS = 100
"""Turns of an event loop that does not tell whether it rests."""


class Results:
    """The calls that the code waits for, and the results that it has not got yet.

    Attributes:
        open: Calls whose results the code waits for, by their nodes.
    """

    def __init__(self, history: History, cancelled: frozenset[int]) -> None:
        """Begin an invocation.

        Args:
            history: What the code does in a replay.
            cancelled: Calls that an earlier invocation cancelled. If their results are there by
                now, the code gets them last: most likely it cancels these calls again before.
        """
        self.open: dict[int, OpenCall] = {}
        self._history = history
        self._cancelled_before = cancelled
        self._forgone: set[int] = set()
        """Calls whose results the code does not wait for any more."""
        self._starting: set[asyncio.Task[None]] = set()
        """What starts the child runs of such calls."""
        self._unended: set[int] = set()
        """Those of them that are not over, memos aside."""
        self._ready: list[tuple[bool, datetime, bool, int]] = []
        """A heap of the results that no recorded order names: whether the result comes last, when
        it became known, whether the operator reported it, and the node of its call."""

    @property
    def is_busy(self) -> bool:
        """Whether anything is done for a call here."""
        calls = self.open.values()
        return bool(self._starting) or any(each.is_busy or each.entry for each in calls)

    def finish(
        self, call: OpenCall, at: datetime, value: object, error: BaseException | None = None
    ) -> None:
        """Have the code get the result of a call, in its turn."""
        call.outcome = value, error
        call.is_busy = False
        comes_last = call.node in self._cancelled_before
        heappush(self._ready, (comes_last, at, call.kind != MEMO, call.node))

    def forgo(self, call: OpenCall) -> None:
        """Forget a call that the code does not wait for any more.

        A child run is started all the same, so that there are as many in each invocation.
        """
        self.open.pop(call.node, None)
        self._forgone.add(call.node)
        if call.kind != MEMO and not call.over.done():
            self._unended.add(call.node)
        if call.kind != RUN:
            call.close()
            return
        call.over.cancel()
        for task in call.work:
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    def record_end(self, node: int) -> None:
        """Record that what a call waited for has happened."""
        self._unended.discard(node)

    def cancelled(self, stored: frozenset[int]) -> frozenset[int]:
        """Return which calls the log should list as cancelled; `stored` if that is good enough.

        It must list no call that the code waits for, and all others whose end could resume the
        task; if there are too many, the latest of them.
        """
        unended = frozenset(sorted(self._unended)[-MAX_PAGE_ENTRIES:])
        return stored if unended <= stored and stored.issubset(self._forgone) else unended

    def next(self) -> OpenCall | None:
        """Return the call whose result the code gets next."""
        while (node := self._history.next_result()) is not None:
            if node in self._forgone:
                self._history.forgo(node)
                continue
            call = self.open.get(node)
            is_due = call is not None and call.outcome and self._history.may_give(node)
            return call if is_due else None
        if not self._history.is_replayed:
            return None
        while self._ready:
            comes_last, *_, node = self._ready[0]
            if comes_last and self.is_busy:
                return None
            heappop(self._ready)
            if (call := self.open.get(node)) is not None:
                return call
        return None

    def failed_memo(self) -> OpenCall | None:
        """Return a memo that failed when it was called first, and did not this time.

        The code went on without its value then. It waits for it now, if it makes no other call.
        """
        memos = (call for call in self.open.values() if call.kind == MEMO and call.outcome)
        return next((call for call in memos if not self._history.is_given_later(call.node)), None)

    def give(self, call: OpenCall) -> None:
        """Give the code the result of a call."""
        assert call.outcome is not None
        if call.result.done():  # the code was cancelled this very moment
            self.forgo(call)
            return
        self._history.give(call.node)
        del self.open[call.node]
        value, error = call.outcome
        if error is not None:
            call.result.set_exception(error)
        else:
            call.result.set_result(value)

    def fail(self, error: BaseException) -> None:
        """Raise an error in all calls."""
        for call in [*self.open.values()]:
            del self.open[call.node]
            call.close()
            if not call.result.done():
                call.result.set_exception(error)

    def close(self) -> None:
        """Stop what is done for the calls."""
        for call in self.open.values():
            call.close()
        for task in self._starting:
            task.cancel()


class Turns:
    """Turns of the code and of its journal.

    The code first does all that it can do. The journal then does one step, such as giving the code
    one result, and it is the code's turn again.
    """

    def __init__(
        self,
        step: Callable[[], bool],
        at_rest: Callable[[], None],
        check: "Callable[[asyncio.Task[None]], None]",
    ) -> None:
        """Begin with the code's turn.

        Args:
            step: Does one step, and returns whether the code may have something to do now.
            at_rest: Called when neither has anything to do.
            check: Called with the task that did the steps, which may have failed.
        """
        self._step = step
        self._at_rest = at_rest
        self._check = check
        self._again = False
        self._task: asyncio.Task[None] | None = None

    def wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have a step done once the code rests."""
        self._again = True
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
            self._task.add_done_callback(self._check)

    def close(self) -> None:
        """Do no more steps."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._again:
            self._again = False
            await _rest()
            if self._step():
                self._again = True
        self._at_rest()


async def _rest() -> None:
    """Return once nothing else is to be done in the event loop but to wait."""
    ready: object = getattr(asyncio.get_running_loop(), "_ready", None)
    for _ in range(MAX_TURNS if ready is not None else FIXED_TURNS):
        await asyncio.sleep(0)
        if ready is not None and not ready:
            return
