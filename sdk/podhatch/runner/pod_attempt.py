"""An attempt in a pod of its own, from loading the user's code to the end of the process."""

import contextlib
import gc
import sys
import time
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, NoReturn

from podhatch.runner import report as reports
from podhatch.runner.assignment import Assignment
from podhatch.runner.attempt import Attempt, AttemptHost
from podhatch.runner.loader import load
from podhatch.runner.process import Watch, leave, notify
from podhatch.runner.report import NotDelivered
from podhatch.task.current import enter_process

if TYPE_CHECKING:
    from logging import Handler, Logger

    from podhatch.api.pod import Report
    from podhatch.durable.journal import LogJournal
    from podhatch.runner.call import Call
    from podhatch.runner.task_result import TaskResultReporter
    from podhatch.task.context import Context

CANCEL_SECONDS = 1.0
"""From SIGTERM to `cancel()` of an async task."""
GRACE_SECONDS = 25.0
"""From SIGTERM to the end; the pod is killed after 30."""
INTERRUPTED_SECONDS = 5.0
"""From the timeout, or the loss of its log, to the end, for a function that catches being
cancelled."""
CLEAN_UP_SECONDS = 30.0
"""From the report to the end, for what runs after the task."""
_COLLECTION_THRESHOLD = 50_000


class PodAttempt:
    """Runs the user's function and reports its end. The watch may end it from its own thread."""

    def __init__(self, assignment: Assignment, reporter: "TaskResultReporter | None") -> None:
        self._assignment = assignment
        self._reporter = reporter
        self._watch = Watch(self._terminate)
        self._attempt = Attempt(
            assignment,
            self,
            now=_now,
            cancelled=lambda: self._watch.terminated,
        )
        self._host = AttemptHost(self._attempt, self._watch.terminate)
        self._started_at: float | None = None
        self._call: Call | None = None
        self._journal: LogJournal | None = None
        self._ended = False

    def run(self) -> NoReturn:
        """Run, report, and leave the process."""
        self._watch.start()
        try:
            self._run()
        except BaseException as error:
            self._attempt.end(None, error)
        self._exit()

    def _run(self) -> None:
        """Load the function and run it to its end."""
        with _rare_collections():
            task = load(self._assignment)
        from podhatch.runner.call import Call, arguments_for

        context = self._assignment.context(self._host)
        if self._assignment.durable_log:
            self._open_log(context)
        enter_process(context)
        arguments = arguments_for(task, self._assignment.input, context)
        if task.logger is not None:
            capture(task.logger, self._host.write)
        if self._reporter:
            self._reporter.prepare()
        self._call = Call(task, arguments, self)
        self._call.run()

    def _open_log(self, context: "Context") -> None:
        """Take over the log of a durable task."""
        from podhatch.durable.store import TakenOver
        from podhatch.runner.durable import open_journal
        from podhatch.task.durable_context import DurableContext

        assert isinstance(context, DurableContext), "made by the assignment"
        try:
            self._journal = open_journal(self._assignment, evict=self._evict, lose=self._lose)
        except TakenOver:
            self._lose()
            self._exit()
        context.journal = self._journal

    def _evict(self, waits_over: int) -> NoReturn:
        """Leave, so that a new pod continues once more waits are over."""
        self._attempt.evict(waits_over)
        self._exit()

    def _lose(self) -> None:
        """End without a report, after an async function has cleaned up."""
        self._attempt.renounce()
        notify("the task was reset, or a later pod has taken over its log: this one ends")
        if not self._interrupt():
            self._exit()
        self._watch.call_at(time.monotonic() + INTERRUPTED_SECONDS, self._exit)

    def begin(self) -> None:
        """Start the task's clock."""
        self._attempt.leave_if_forked(None)
        self._attempt.begin()
        self._started_at = time.monotonic()
        limit = self._attempt.time_limit
        if limit is not None:
            self._watch.call_at(self._started_at + limit, self._look_at_clock)

    def end(self, value: object, error: BaseException | None) -> None:
        """Report, before the lifespan's rest runs: nobody waits for that.

        It runs all the same: no more is asked of the pod, and SIGTERM leaves it its grace period.
        """
        self._attempt.leave_if_forked(error)
        self._ended = True
        if self._call and self._call.cleans_up:
            self._watch.call_at(time.monotonic() + CLEAN_UP_SECONDS, self._abandon_clean_up)
        self._attempt.end(value, error)

    def extended(self, report: "Report") -> None:
        """Send the report, where there is a way before the pod's end."""
        if self._reporter:
            self._reporter.send(report)

    def ended(self, report: "Report") -> "Report":
        """Write the message, send the report, and print the error to the pod's log."""
        delivered = self._deliver(report)
        error = delivered.get("error")
        with contextlib.suppress(Exception):  # the user may have closed stderr
            if error:
                sys.stderr.write(error.get("traceback", ""))
                notify(f"{delivered.get('outcome')}: {error['type']}: {error['message']}")
        return delivered

    def _deliver(self, report: "Report") -> "Report":
        # The message is written first too: it is there should the pod be killed while sending.
        self._write_message(report, recorded=self._reporter is not None)
        if self._reporter is None:
            return report
        try:
            self._reporter.send(report)
        except NotDelivered as error:
            notify(f"the TaskResult could not be written: {error}")
            lost = reports.lost_output(report, str(error), self._assignment.message_bytes)
            report = reports.failed(report, lost) if lost else report
            self._write_message(report, recorded=False)
        return report

    def _write_message(self, report: "Report", *, recorded: bool) -> None:
        room = self._assignment.message_bytes
        try:
            with open(self._assignment.output_path, "wb") as file:
                file.write(reports.termination_message(report, room=room, recorded=recorded))
        except OSError as error:
            notify(f"the termination message could not be written: {error}")

    def _exit(self) -> NoReturn:
        self._attempt.leave_if_forked(None)
        leave(self._attempt.exit_code)

    # What follows runs in the watch's thread.

    def _look_at_clock(self) -> None:
        deadline = (self._started_at or 0.0) + (self._attempt.time_limit or 0.0)
        if time.monotonic() < deadline:  # the task has moved it
            self._watch.call_at(deadline, self._look_at_clock)
        elif not self._attempt.settled:
            self._time_out()

    def _time_out(self) -> None:
        """Report, and end the process; an async function may clean up before."""
        if not self._attempt.time_out(self._stack()):
            return  # it ended this very moment
        if not self._interrupt():
            self._exit()
        self._watch.call_at(time.monotonic() + INTERRUPTED_SECONDS, self._exit_unless_ended)

    def _terminate(self) -> None:
        """SIGTERM: code that is only being loaded ends here, a function may end by itself."""
        if self._started_at is None:
            self._stop("the task was cancelled before it started")
        self._evict_if_parked()
        now = time.monotonic()
        self._watch.call_at(now + CANCEL_SECONDS, self._cancel_call)
        self._watch.call_at(now + GRACE_SECONDS, self._give_up)

    def _cancel_call(self) -> None:
        self._evict_if_parked()
        self._interrupt()

    def _evict_if_parked(self) -> None:
        """Give up the pod of a durable task that only waits: another one can continue it."""
        parked = self._journal.parked if self._journal else None
        if parked is not None and not self._attempt.cancelled_itself:
            self._evict(parked)

    def _interrupt(self) -> bool:
        """Cancel the function if it is async and runs; False if not."""
        return self._call is not None and self._call.interrupt()

    def _give_up(self) -> NoReturn:
        self._stop(f"the task did not end within {GRACE_SECONDS:g}s of being cancelled")

    def _stop(self, message: str) -> NoReturn:
        """End a cancelled attempt while the user's function runs."""
        self._attempt.stop("Cancelled", "Cancelled", message, self._stack())
        self._exit()

    def _stack(self) -> str:
        """Return where the user's function is."""
        if self._started_at is None:
            return ""
        from podhatch.runner.failure import current_stack

        return current_stack(self._call.coroutine if self._call else None)

    def _exit_unless_ended(self) -> None:
        if not self._ended:
            self._exit()

    def _abandon_clean_up(self) -> NoReturn:
        notify(f"what runs after the task did not end within {CLEAN_UP_SECONDS:g}s")
        self._exit()


@contextlib.contextmanager
def _rare_collections() -> Generator[None]:
    """Collect garbage rarely: while code is imported there is little, and looking for it costs 5 %.

    Settings that the code itself makes stay.
    """
    before = gc.get_threshold()
    gc.set_threshold(_COLLECTION_THRESHOLD, *before[1:])
    ours = gc.get_threshold()
    try:
        yield
    finally:
        if gc.get_threshold() == ours:
            gc.set_threshold(*before)


def capture(logger: "Logger", write: Callable[[str], None]) -> None:
    """Write the logger's records as `LEVEL name: message`, with exceptions, at its own level.

    Records that a handler of the user's writes to stdout or stderr are in the task's log already,
    and stay as that handler formats them.
    """
    from logging import Formatter, Handler, LogRecord

    class LogHandler(Handler):
        def emit(self, record: LogRecord) -> None:
            try:
                write(self.format(record))
            except Exception:
                self.handleError(record)

    streams = [getattr(handler, "stream", None) for handler in _handlers(logger)]
    if sys.stdout not in streams and sys.stderr not in streams:
        handler = LogHandler()
        handler.setFormatter(Formatter("%(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)


def _handlers(logger: "Logger | None") -> "Iterator[Handler]":
    """Yield the handlers that a logger's records come to."""
    while logger is not None:
        yield from logger.handlers
        logger = logger.parent if logger.propagate else None


def _now() -> str:
    """RFC 3339 in UTC with microseconds. Without `datetime`, which costs the pod 2 ms."""
    seconds, nanoseconds = divmod(time.time_ns(), 10**9)
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    return f"{moment}.{nanoseconds // 1000:06d}Z"
