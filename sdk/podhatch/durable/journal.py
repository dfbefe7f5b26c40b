"""The journal of a durable task in a pod: its calls go into the task's log before they count.

It lives in the event loop of the task's code, and its store in another one. Results are given to
the code one at a time: the next one only after the code has done all it can with the one before.
"""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TypeVar, cast

from podhatch.api.condition import Condition
from podhatch.api.durable_log import (
    MAX_CALL_LABEL,
    MAX_STORED_VALUE_BYTES,
    DurableCall,
    DurableLogSpec,
    DurableValue,
)
from podhatch.api.limits import MEMO, RUN, WAIT_FOR, CallKind
from podhatch.api.model import JsonObject
from podhatch.durable.calls import Batch, OpenCall, Waits
from podhatch.durable.history import DamagedLog, Deviation, History
from podhatch.durable.results import Results, Turns
from podhatch.durable.store import LogStore, TakenOver
from podhatch.errors import IllegalTaskOutputError, InvalidRun, NonDeterminismError

T = TypeVar("T")

STUCK_SECONDS = 60.0
"""How long the code may do other things before it makes a recorded call again."""

_in_memo: ContextVar[bool] = ContextVar("podhatch_in_memo", default=False)


class LogJournal:
    """The journal of one invocation: a `podhatch.task.journal.Journal`.

    Attributes:
        invocation: Number of the Job that runs the task.
        parked: While the code only waits: how many waits of the log were over for it, as the
            report of an evicted task says. None while there is anything to do. May be read from any
            thread.
    """

    def __init__(
        self,
        store: LogStore,
        pages: Iterable[DurableLogSpec],
        *,
        task_run_id: str,
        ttl: float | None,
        evict: Callable[[int], None],
        lose: Callable[[], None],
        in_background: Callable[[Coroutine[Any, Any, Any]], Awaitable[Any]],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        on_parked: Callable[[], None] = lambda: None,
    ) -> None:
        """Begin an invocation, in the thread of the task's code.

        Args:
            store: The log, which is open.
            pages: What `store.open()` returned.
            task_run_id: Name of the Job, for errors.
            ttl: After so many seconds in which the code only waits, `evict` is called; None for
                never.
            evict: Called with `parked`. No result is given any more.
            lose: Called when a later invocation has taken over the log, from any thread. No result
                is given any more.
            in_background: Starts a coroutine of the store in its event loop.
            now: The time in UTC.
            on_parked: Called when `parked` changes.

        Raises:
            InvalidRun: The log is damaged.
        """
        pages = [*pages]
        self._cancelled = frozenset(pages[-1].cancelled if pages else [])
        """Nodes of the calls that the code does not wait for any more, as they are stored."""
        try:
            self._history = History(pages)
        except DamagedLog as error:
            raise InvalidRun(f"the log {store.identity.name} is damaged: {error}") from None
        self.invocation = store.identity.invocation
        self.parked: int | None = None
        self.now = now
        self._store = store
        self._task_run_id = task_run_id
        self._ttl = ttl
        self._evict = evict
        self._lose = lose
        self._in_background = in_background
        self._on_parked = on_parked
        self._waits = Waits()
        for page in store.pages.values():
            self._waits.read(page)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.get_ident()
        self._results = Results(self._history, self._cancelled)
        self._new = Batch()
        self._writing: asyncio.Task[None] | None = None
        self._turns = Turns(self._step, self._look_at_rest, self._check)
        self._timer: asyncio.TimerHandle | None = None
        self._following: asyncio.Future[Any] | None = None
        self._failure: BaseException | None = None
        self._has_ended = False

    @property
    def branch(self) -> int:
        """The branch of the call that is made next."""
        return self._history.branch

    async def wait_for(
        self, key: str, conditions: Sequence[JsonObject], label: str | None
    ) -> dict[str, list[object]]:
        """Wait until all conditions hold: see `Journal`."""
        wait_for = [Condition.model_validate(each) for each in conditions]
        call = self._begin(WAIT_FOR, key, label, wait_for=wait_for)
        call.work_on(self._await_conditions(call)).add_done_callback(self._check)
        return cast("dict[str, list[object]]", await self._result_of(call))

    async def memo(self, key: str, make: Callable[[], Awaitable[str]], label: str | None) -> str:
        """Return the stored text, or make and store it: see `Journal`."""
        call = self._begin(MEMO, key, label)
        stored = self._history.values.get(call.node) if call.entry is None else None
        if stored is None:
            await self._make(call, make)
        else:
            self._finish(call, stored.at or call.at, stored.value)
        return str(await self._result_of(call))

    async def child(
        self,
        key: str,
        name: str,
        start: Callable[[], Awaitable[None]],
        read: Callable[[], Awaitable[T]],
        label: str | None,
    ) -> T:
        """Wait for the end of a run: see `Journal`."""
        call = self._begin(RUN, key, label, child=name)
        call.work_on(self._await_run(call, start, read)).add_done_callback(self._check)
        return cast("T", await self._result_of(call))

    def close(self) -> None:
        """Stop all that is done for the calls. In the loop of the task's code."""
        self._has_ended = True
        self._set_parked(None)
        self._stop_timer()
        self._results.close()
        self._turns.close()
        for each in (self._writing, self._following):
            if each is not None:
                each.cancel()

    # A call, from the code to its result.

    def _begin(
        self,
        kind: CallKind,
        key: str,
        label: str | None,
        *,
        wait_for: Sequence[Condition] = (),
        child: str | None = None,
    ) -> OpenCall:
        """Make a call. What it is to be stored with is decided here, before anything waits."""
        loop = self._bind()
        if self._failure is not None:
            raise self._failure
        if _in_memo.get():
            raise InvalidRun("a memo cannot sleep, wait, start child runs or hold another memo")
        branch = self._history.branch
        try:
            node, recorded = self._history.make(kind, key)
        except Deviation as error:
            raise self._deviation(error.node, str(error)) from None
        if recorded is not None and recorded.child != child:
            raise self._deviation(
                node, f"it waited for run {recorded.child}, and now does for {child}"
            )
        made = recorded or DurableCall(
            node=node,
            branch=branch,
            kind=kind,
            key=key,
            label=label[:MAX_CALL_LABEL] if label else None,
            at=self.now(),
            delivered=self._history.take_given(),
            wait_for=[*wait_for],
            child=child,
        )
        entry = made if recorded is None else None
        futures = loop.create_future(), loop.create_future(), loop.create_future()
        call = OpenCall(node, branch, kind, entry, made.at, loop.time(), *futures)
        self._results.open[node] = call
        if entry is None:
            call.count(self._waits.over.get(call.key))
        else:
            self._new.calls.append(call)
        if kind != MEMO and self._following is None:
            self._follow()
        self._wake()
        return call

    async def _result_of(self, call: OpenCall) -> object:
        try:
            return await call.result
        finally:
            if call.node in self._results.open:  # the code was cancelled
                self._forgo(call)

    def _forgo(self, call: OpenCall) -> None:
        """Forget a call that the code does not wait for any more."""
        self._results.forgo(call)
        self._wake()

    def _check(self, task: "asyncio.Task[None]") -> None:
        """Have the code get an error that nobody expects, in place of waiting forever."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    async def _await_conditions(self, call: OpenCall) -> None:
        wait = await call.over
        if wait.error is not None:
            self._finish(call, self.now(), None, InvalidRun(wait.error))
            return
        met: dict[str, list[object]] = {}
        for each in wait.met:
            value: object = {} if each.value is None else json.loads(each.value)
            met.setdefault(each.key, []).append(value)
        self._finish(call, wait.over_at or self.now(), met)

    async def _await_run(
        self,
        call: OpenCall,
        start: Callable[[], Awaitable[None]],
        read: Callable[[], Awaitable[object]],
    ) -> None:
        try:
            await call.stored
            call.is_busy = True
            if not call.over.done():
                await start()
            call.is_busy = False
            self._wake()
            wait = await call.over
            call.is_busy = True
            value = await read()
        except Exception as error:
            self._finish(call, self.now(), None, error)
        else:
            self._finish(call, wait.over_at or self.now(), value)

    async def _make(self, call: OpenCall, make: Callable[[], Awaitable[str]]) -> None:
        """Make a memo's value, and have it stored."""
        call.is_busy = True
        token = _in_memo.set(True)
        try:
            value = await make()
            if (size := len(value.encode())) > MAX_STORED_VALUE_BYTES:
                raise IllegalTaskOutputError(
                    f"the result of a memo has {size} bytes as JSON, and the limit is "
                    f"{MAX_STORED_VALUE_BYTES}: keep the data in a volume or an object store, and "
                    "return where it is"
                )
        except BaseException:
            self._forgo(call)
            raise
        finally:
            _in_memo.reset(token)
        stored = DurableValue(node=call.node, branch=call.branch, value=value, at=self.now())
        self._new.values.append((call, stored))
        self._wake()

    def _finish(
        self, call: OpenCall, at: datetime, value: object, error: BaseException | None = None
    ) -> None:
        """Have the code get the result of a call, in its turn."""
        self._results.finish(call, at, value, error)
        self._wake()

    # What is done between the steps of the code.

    def _wake(self) -> None:
        """Have all done that can be done, once the code rests."""
        if self._has_ended or self._loop is None:
            return
        self._stop_timer()
        self._set_parked(None)
        self._turns.wake(self._loop)

    def _step(self) -> bool:
        """Store what is new, and give the code one result; return whether there was one."""
        if self._has_ended:
            return False
        self._write_down()
        call = self._results.next() or self._failed_memo()
        if call is not None:
            self._results.give(call)
        return call is not None

    def _failed_memo(self) -> OpenCall | None:
        """Return a memo without which the code does not go on: see `Results.failed_memo`."""
        is_waiting = self._history.expects_call and self._writing is None
        return self._results.failed_memo() if is_waiting and not self._results.is_busy else None

    def _write_down(self) -> None:
        """Store what is new in one write."""
        if self._loop is None or self._writing is not None:
            return
        cancelled = self._cancelled
        if self._history.is_replayed:
            cancelled = self._results.cancelled(cancelled)
        if self._new.is_due or (self._results.open and cancelled != self._cancelled):
            batch, self._new = self._new, Batch()
            self._writing = self._loop.create_task(self._write(batch, cancelled))

    async def _write(self, batch: Batch, cancelled: frozenset[int]) -> None:
        calls = [call.entry for call in batch.calls if call.entry is not None]
        values = [value for _, value in batch.values]
        changed = None if cancelled == self._cancelled else sorted(cancelled)
        try:
            await self._in_background(self._store.append(calls, values, changed))
        except TakenOver:
            self._lost()
            return
        except Exception as error:
            self._fail(error)
            return
        finally:
            self._writing = None
        self._cancelled = cancelled
        for call in batch.calls:
            call.count(self._waits.over.get(call.key))
        for call, stored in batch.values:
            self._finish(call, stored.at or call.at, stored.value)
        self._wake()

    def _look_at_rest(self) -> None:
        """Decide what follows from the code's doing nothing."""
        loop, calls = self._loop, self._results.open.values()
        if loop is None or not calls or self._has_ended:
            return
        if self._writing is not None or self._results.is_busy:
            return
        if self._history.expects_call:
            self._timer = loop.call_later(STUCK_SECONDS, self._give_up)
            return
        self._set_parked(self._waits.count(self._cancelled))
        if self._ttl is not None:
            due = max(each.since for each in calls) + self._ttl
            self._timer = loop.call_at(due, self._leave)

    def _leave(self) -> None:
        if (count := self.parked) is not None and not self._has_ended:
            self._has_ended = True
            self._evict(count)

    def _give_up(self) -> None:
        node = self._history.made + 1
        self._fail(self._deviation(node, "it is not made any more: the code waits for others"))

    def _set_parked(self, parked: int | None) -> None:
        if parked != self.parked:
            self.parked = parked
            self._on_parked()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # What comes from the store.

    def _follow(self) -> None:
        assert self._loop is not None
        loop = self._loop
        self._store.on_page = lambda page: _call_soon(loop, self._saw, page)
        for page in [*self._store.pages.values()]:  # what came since the log was opened
            self._saw(page)
        self._following = asyncio.ensure_future(self._in_background(self._store.follow()))
        self._following.add_done_callback(self._stopped_following)

    def _stopped_following(self, following: "asyncio.Future[Any]") -> None:
        if following.cancelled() or (error := following.exception()) is None:
            return
        if isinstance(error, TakenOver):
            self._lost()
        else:
            self._fail(error)

    def _saw(self, page: JsonObject) -> None:
        found = self._waits.read(page)
        for wait in found:
            self._results.record_end(wait.node)
            call = self._results.open.get(wait.node)
            if call is not None and call.branch == wait.branch and call.entry is None:
                call.count(wait)
        if found:
            self._wake()

    def _lost(self) -> None:
        if not self._has_ended:
            self.close()
            self._lose()

    def _fail(self, error: BaseException) -> None:
        """Raise an error in all calls, and in those that follow."""
        self._failure = error
        self._results.fail(error)
        self._wake()

    def _bind(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the task's code, which is that of the first call in its thread."""
        loop = asyncio.get_running_loop()
        if self._loop is None and threading.get_ident() == self._thread:
            self._loop = loop
        elif self._loop is not loop:
            raise InvalidRun(
                "a durable task sleeps, waits, starts child runs and uses memos in one event loop: "
                "do it in that of its own code, and in no other thread"
            )
        return loop

    def _deviation(self, node: int, message: str) -> NonDeterminismError:
        identity = self._store.identity
        text = (
            f"non-determinism in task {identity.task} of run {identity.run}: call {node} differs "
            f"from an earlier invocation's: {message}; time, randomness and I/O belong into a memo"
        )
        return NonDeterminismError(self._task_run_id, self.invocation, text, node)


def _call_soon(
    loop: asyncio.AbstractEventLoop, function: Callable[[JsonObject], None], page: JsonObject
) -> None:
    """Call it in the loop, from another thread, unless the loop has closed."""
    try:
        loop.call_soon_threadsafe(function, page)
    except RuntimeError:
        if not loop.is_closed():
            raise
