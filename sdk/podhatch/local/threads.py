"""Attempts in threads of this process: what their function does, tests and debuggers can see.

A thread cannot be killed: one whose time is over, or whose run was cancelled, is left to itself.
"""

import contextvars
import threading
from datetime import datetime, timedelta
from functools import partial

from podhatch.api.model import format_time
from podhatch.api.pod import Report
from podhatch.api.stream import MARK
from podhatch.durable.journal import LogJournal
from podhatch.durable.store import TakenOver
from podhatch.local.clock import Clock
from podhatch.local.execution import Work, find_code, reported_end
from podhatch.local.kubelet import Kubelet, TaskExecutor, Waits, current_waits
from podhatch.local.options import Mocks
from podhatch.runner.attempt import EXIT_CODES, Attempt, AttemptHost
from podhatch.runner.call import Call, arguments_for
from podhatch.runner.durable import open_journal
from podhatch.runner.failure import current_stack
from podhatch.task import entered
from podhatch.task.durable_context import DurableContext

CANCEL_SECONDS = 1.0
"""From asking a task to stop to `cancel()` of an async one, as in a pod."""
_machine = Clock()


class TimeLimit:
    """The time of one attempt, by the clock of the run, which may be a fake, and by the machine's.

    It stands still from the moment at which the pod of a durable task would be given up, and begins
    anew with the pod that would continue the task.
    """

    def __init__(self, eviction_ttl: float | None) -> None:
        self._ttl = None if eviction_ttl is None else timedelta(seconds=eviction_ttl)
        self._began: tuple[datetime, datetime] | None = None
        """By both clocks."""
        self._parked: tuple[datetime, datetime] | None = None
        """Since when the task does nothing but wait, by both clocks."""

    def begin(self, now: datetime) -> None:
        """The function starts."""
        self._began = now, _machine.now()

    def parked(self, is_parked: bool, now: datetime) -> None:
        """The task has begun, or ended, to do nothing but wait."""
        if is_parked:
            self._parked = now, _machine.now()
        elif self._parked is not None:
            if self._ttl is not None and now - self._parked[0] > self._ttl:
                self.begin(now)
            self._parked = None

    def deadline(self, limit: float | None) -> datetime | None:
        """Return when the time is over by the clock of the run; None for never."""
        return self._over_at(limit, 0)

    def seconds_left(self, limit: float | None) -> float | None:
        """Return after how long it is over by the machine's clock; None for never."""
        over_at = self._over_at(limit, 1)
        return _machine.seconds_until(over_at) if over_at else None

    def _over_at(self, limit: float | None, clock: int) -> datetime | None:
        began, parked = self._began, self._parked
        if limit is None or began is None:
            return None
        over_at = began[clock] + timedelta(seconds=limit)
        is_given_up = parked and self._ttl is not None and over_at > parked[clock] + self._ttl
        return None if is_given_up else over_at


class ThreadExecution:
    """One attempt in a thread."""

    def __init__(self, work: Work, kubelet: Kubelet, mocks: Mocks) -> None:
        self._work = work
        self._job = work.job
        self._kubelet = kubelet
        self._mocks = mocks
        self._assignment = work.assignment
        self.cancelled = False
        self.attempt = Attempt(
            self._assignment, self, now=self._now, cancelled=lambda: self.cancelled
        )
        self._call: Call | None = None
        self._waits = Waits(kubelet)
        self._journal: LogJournal | None = None
        self._time = TimeLimit(self._assignment.eviction_ttl)
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name=f"podhatch {work.job}", daemon=True
        )

    @property
    def is_waiting(self) -> bool:
        """Whether it does nothing but wait for another run, or for what its log waits for."""
        return self._waits.count > 0 or self._is_parked

    @property
    def _is_parked(self) -> bool:
        """Whether a durable task has got all that has happened for it, and waits for more."""
        parked = self._journal.parked if self._journal else None
        if parked is None:
            return False
        return parked == self._kubelet.waits_over(self._assignment.run, self._assignment.task)

    @property
    def deadline(self) -> datetime | None:
        """When its time is over by the clock of the run."""
        return None if self.attempt.settled else self._time.deadline(self.attempt.time_limit)

    @property
    def seconds_left(self) -> float | None:
        """After how long its time is over by the machine's clock."""
        return None if self.attempt.settled else self._time.seconds_left(self.attempt.time_limit)

    def start(self) -> None:
        """Start the thread."""
        self._kubelet.began(self._job)
        self._thread.start()

    def look_at_clock(self, now: datetime) -> None:
        """End the attempt if its time is over, by the run's clock or by the machine's."""
        deadline, left = self.deadline, self.seconds_left
        if (deadline and now >= deadline) or (left is not None and left <= 0):
            coroutine = self._call.coroutine if self._call else None
            self.attempt.time_out(current_stack(coroutine, self._thread.ident))
            self.cancelled = True
            self._interrupt()

    def cancel(self) -> None:
        """Tell the code to stop; an async function is cancelled a moment later."""
        if not self.cancelled:
            self.cancelled = True
            timer = threading.Timer(CANCEL_SECONDS, self._interrupt)
            timer.daemon = True
            timer.start()

    def leave(self) -> None:
        """Give the code the time to notice that it was cancelled."""
        self.cancel()
        self._interrupt()
        self._thread.join(CANCEL_SECONDS)

    def begin(self) -> None:
        """Start the task's clock."""
        self.attempt.begin()
        self._time.begin(self._kubelet.now())
        self._kubelet.wake()

    def end(self, value: object, error: BaseException | None) -> None:
        """Report how the function ended."""
        self.attempt.end(value, error)

    def write(self, line: str) -> None:
        """Keep a line of the log."""
        self._kubelet.wrote(self._job, line)

    def extended(self, report: Report) -> None:
        """Tell the kubelet that the attempt has more time."""
        self._kubelet.extended(self._job, report)

    def ended(self, report: Report) -> Report:
        """Tell the kubelet how the attempt ended, as a pod that ended so would look."""
        code = EXIT_CODES[report.get("outcome", "Failed")]
        self._kubelet.finished(self._job, reported_end(self._work, report, code))
        return report

    def _run(self) -> None:
        current_waits.set(self._waits)
        try:
            task = find_code(self._work, self._mocks)
            context = self._assignment.context(_ThreadHost(self))
            if isinstance(context, DurableContext):
                self._journal = context.journal = self._open_journal()
            arguments = arguments_for(task, self._assignment.input, context)
            with entered(context):
                self._call = Call(task, arguments, self)
                self._call.run()
        except TakenOver:
            self._lose()
        except BaseException as error:
            self.attempt.end(None, error)

    def _open_journal(self) -> LogJournal:
        """Take over the log of a durable task. Here no attempt is evicted."""
        return open_journal(
            self._assignment._replace(eviction_ttl=None),
            evict=lambda _: None,
            lose=self._lose,
            now=self._kubelet.now,
            on_parked=self._parked_changed,
        )

    def _parked_changed(self) -> None:
        """The code has begun or ended to do nothing but wait; in its own thread."""
        is_parked = self._journal is not None and self._journal.parked is not None
        self._time.parked(is_parked, self._kubelet.now())
        self._kubelet.wake()

    def _lose(self) -> None:
        """Report nothing any more: a later attempt has taken over the log."""
        self.attempt.renounce()
        self.cancelled = True
        self._interrupt()

    def _now(self) -> str:
        return format_time(self._kubelet.now())

    def _interrupt(self) -> None:
        if self._call is not None:
            self._call.interrupt()


def in_threads(mocks: Mocks) -> TaskExecutor:
    """Return what makes executions in threads."""
    return partial(ThreadExecution, mocks=mocks)


class _ThreadHost(AttemptHost):
    """Keeps the task's log."""

    def __init__(self, execution: ThreadExecution) -> None:
        super().__init__(execution.attempt, execution.cancel)
        self._execution = execution

    def write(self, line: str) -> None:
        """Keep the line, and print it unless it is a chunk of a stream."""
        self._execution.write(line)
        if MARK not in line:
            super().write(line)
