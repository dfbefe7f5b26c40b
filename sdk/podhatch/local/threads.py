"""Attempts in threads of this process: what their function does, tests and debuggers can see.

A thread cannot be killed: one whose time is over, or whose run was cancelled, is left to itself.
"""

import contextvars
import os
import threading
import time
from datetime import datetime, timedelta

from podhatch.api.model import format_time
from podhatch.api.pod import ErrorReport, Outcome
from podhatch.api.stream import MARK
from podhatch.local.code import find_code
from podhatch.local.execution import Ended, Execution, Listener, Waits, current_waits
from podhatch.local.options import Mocks
from podhatch.local.work import Work
from podhatch.runner import report as reports
from podhatch.runner.arguments import arguments_for, context_of
from podhatch.runner.assignment import Assignment
from podhatch.runner.ending import EXIT_CODES, leave_fork
from podhatch.runner.failure import TaskFailure, current_stack, describe, error_report
from podhatch.runner.performance import Performance
from podhatch.runner.retry import wish
from podhatch.task import Host, entered
from podhatch.values.codec import IllegalTaskOutputError, dump_output

CANCEL_SECONDS = 1.0
"""From asking a task to stop to `cancel()` of an async one, as in a pod."""


class Threads:
    """Makes executions in threads."""

    def __init__(self, mocks: Mocks) -> None:
        self._mocks = mocks

    def new(self, work: Work, listener: Listener) -> Execution:
        """Return the execution of an attempt, which has not started."""
        return ThreadExecution(work, listener, self._mocks)


class ThreadExecution:
    """One attempt in a thread."""

    def __init__(self, work: Work, listener: Listener, mocks: Mocks) -> None:
        self._work = work
        self._job = work.job
        self._listener = listener
        self._mocks = mocks
        self._process = os.getpid()
        self._assignment = Assignment.from_environment(work.environ)
        self._report = reports.new_report(self._assignment)
        self._lock = threading.RLock()
        self._settled = False
        self._performance: Performance | None = None
        self._waits = Waits(listener)
        self._real_deadline: float | None = None
        self._extended = 0.0
        self._host = _Host(self)
        self.deadline: datetime | None = None
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run, args=(self._run,), name=f"podhatch {work.job}", daemon=True
        )

    @property
    def is_waiting(self) -> bool:
        """Whether it does nothing but wait for another run."""
        return self._waits.count > 0

    @property
    def seconds_left(self) -> float | None:
        """After how long its time is over by the machine's clock."""
        deadline = self._real_deadline
        return None if deadline is None else deadline - time.monotonic()

    def start(self) -> None:
        """Start the thread."""
        self._listener.began(self._job)
        self._thread.start()

    def look_at_clock(self, now: datetime) -> None:
        """End the attempt if its time is over, by the run's clock or by the machine's."""
        deadline, left = self.deadline, self.seconds_left
        if (deadline and now >= deadline) or (left is not None and left <= 0):
            limit = (self._assignment.execution_timeout or 0.0) + self._extended
            coroutine = self._performance.coroutine if self._performance else None
            trace = current_stack(coroutine, self._thread.ident)
            error = error_report("TimedOut", f"Task exceeded timeout of {limit:g}s", trace)
            self._settle("TimedOut", error=error)
            self._host.cancelled = True
            self._interrupt()

    def cancel(self) -> None:
        """Tell the code to stop; an async function is cancelled a moment later."""
        if not self._host.cancelled:
            self._host.cancelled = True
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
        self._report["startedAt"] = format_time(self._listener.now())
        self.extend(0.0)
        self._listener.wake()

    def extend(self, seconds: float) -> None:
        """Move the end of the attempt's time."""
        timeout = self._assignment.execution_timeout
        if timeout is None:
            return
        with self._lock:
            if self._settled:
                return
            seconds = self._assignment.more_time(self._extended, seconds)
            self._extended += seconds
            if self.deadline is None or self._real_deadline is None:
                self.deadline = self._listener.now() + timedelta(seconds=timeout)
                self._real_deadline = time.monotonic() + timeout
            self.deadline += timedelta(seconds=seconds)
            self._real_deadline += seconds
            if seconds:
                self._report["extendedSeconds"] = self._extended
                self._listener.extended(self._job, self._report.copy())

    def write(self, line: str) -> None:
        """Keep a line of the log."""
        self._listener.wrote(self._job, line)

    def _run(self) -> None:
        current_waits.set(self._waits)
        try:
            task = find_code(self._work, self._assignment, self._mocks)
            context = context_of(self._assignment, self._host)
            arguments = arguments_for(task, self._assignment.input, context)
            with entered(context):
                self._performance = Performance(task, arguments, self)
                self._performance.run()
        except BaseException as error:
            self.end(None, error)

    def end(self, value: object, error: BaseException | None) -> None:
        """Report how the function ended, unless in a process that it forked."""
        if os.getpid() != self._process:
            leave_fork(error)
        if self._host.cancelled_itself:
            report = error_report("Cancelled", "the task cancelled itself")
            return self._settle("Cancelled", error=report, retryable=False)
        if error is not None:
            return self._fail(error)
        try:
            output = dump_output(value)
        except IllegalTaskOutputError as failure:
            return self._fail(TaskFailure(type(failure).__name__, str(failure)))
        return self._settle("Succeeded", output=output)

    def _fail(self, error: BaseException) -> None:
        again = wish(error)
        with self._lock:
            if "retryAfterSeconds" in again:
                self._report["retryAfterSeconds"] = again["retryAfterSeconds"]
            self._settle(
                "Failed",
                error=describe(error),
                retryable=again.get("retryable", True),
            )

    def _settle(
        self,
        outcome: Outcome,
        *,
        output: str | None = None,
        error: ErrorReport | None = None,
        retryable: bool = True,
    ) -> None:
        """Tell the outcome, once: who comes second comes too late."""
        with self._lock:
            if self._settled:
                return
            self._settled = True
            self.deadline = self._real_deadline = None
            report = self._report
            report["outcome"] = outcome
            report["finishedAt"] = format_time(self._listener.now())
            if output is not None:
                report["output"] = output
            if error is not None:
                report["error"] = error
            if not retryable:
                report["retryable"] = False
        recorded = self._assignment.result is not None
        room = self._assignment.message_bytes
        excess = reports.too_large(report, room=room, cluster_access=recorded)
        report = reports.failed(report, excess) if excess else report
        message = reports.termination_message(report, room=room, recorded=recorded).decode()
        code = EXIT_CODES[report.get("outcome", "Failed")]
        self._listener.finished(self._job, Ended(code, message, report if recorded else None))

    def _interrupt(self) -> None:
        if self._performance is not None:
            self._performance.interrupt()


class _Host(Host):
    """Hands what the task asks for to its execution."""

    def __init__(self, execution: ThreadExecution) -> None:
        super().__init__()
        self.cancelled = False
        self.cancelled_itself = False
        self._execution = execution

    def is_cancelled(self) -> bool:
        return self.cancelled

    def cancel(self) -> None:
        self.cancelled_itself = True
        self._execution.cancel()

    def extend_timeout(self, seconds: float) -> None:
        self._execution.extend(seconds)

    def write(self, line: str) -> None:
        """Keep the line, and print it unless it is a chunk of a stream."""
        self._execution.write(line)
        if MARK not in line:
            super().write(line)
