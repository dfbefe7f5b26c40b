"""One attempt, from loading the user's code to its end. Called by `__main__`, once in a process."""

import os
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

from podhatch.api.pod import Outcome
from podhatch.errors import IllegalTaskOutputError
from podhatch.runner.arguments import arguments_for, context_of
from podhatch.runner.assignment import Assignment
from podhatch.runner.ending import Ending, forked, leave_fork, notify
from podhatch.runner.loader import load
from podhatch.runner.performance import Performance
from podhatch.runner.watch import Watch
from podhatch.task.current import enter_process
from podhatch.task.host import Host
from podhatch.values.codec import dump_output

if TYPE_CHECKING:
    from podhatch.runner.retry import Wish

CANCEL_SECONDS = 1.0
"""From SIGTERM to `cancel()` of an async task."""
GRACE_SECONDS = 25.0
"""From SIGTERM to the end; the pod is killed after 30."""
INTERRUPTED_SECONDS = 5.0
"""From the timeout to the end, for an async function that catches being cancelled."""
CLEAN_UP_SECONDS = 30.0
"""From the report to the end, for what runs after the task."""


class Attempt:
    """Runs the user's function and tells its ending. The watch may end it from its own thread."""

    def __init__(self, assignment: Assignment, ending: Ending) -> None:
        self._assignment = assignment
        self._ending = ending
        self._watch = Watch(self._terminate)
        self._host = _PodHost(self._extend, self._watch)
        self._started = False
        self._deadline = 0.0
        self._extended = 0.0
        self._extending = threading.Lock()
        self._performance: Performance | None = None
        self._ended = False

    def run(self) -> NoReturn:
        """Run, report, and leave the process."""
        self._watch.start()
        try:
            self._perform()
        except BaseException as error:
            self._fail(error)
        self._ending.exit()

    def _perform(self) -> None:
        """Load the function and run it to its end."""
        if self._assignment.source:
            from podhatch.runner.source import enter_source

            enter_source(self._assignment.source, self._assignment.source_name)
        task = load(self._assignment)
        context = context_of(self._assignment, self._host)
        enter_process(context)
        arguments = arguments_for(task, self._assignment.input, context)
        if task.logger is not None:
            from podhatch.runner.captured_log import capture

            capture(task.logger, self._host.write)
        self._ending.prepare()
        self._performance = Performance(task, arguments, self)
        self._performance.run()

    def begin(self) -> None:
        """Start the task's clock."""
        self._leave_if_forked(None)
        self._started = True
        self._ending.mark_start()
        timeout = self._assignment.execution_timeout
        if timeout is not None:
            self._deadline = time.monotonic() + timeout
            self._watch.call_at(self._deadline, self._look_at_clock)

    def end(self, value: object, error: BaseException | None) -> None:
        """Report, before the lifespan's rest runs: nobody is made to wait for that.

        It runs all the same: no more is asked of the pod, and SIGTERM leaves it its grace period.
        """
        self._leave_if_forked(error)
        self._ended = True
        if self._performance and self._performance.cleans_up:
            self._watch.call_at(time.monotonic() + CLEAN_UP_SECONDS, self._abandon_clean_up)
        output = None
        if error is None:
            try:
                output = _dump(value)
            except Exception as illegal:
                error = illegal
        if error is None and not self._host.cancelled_itself:
            self._ending.report("Succeeded", output=output)
        else:
            self._fail(error)

    def _extend(self, seconds: float) -> None:
        """Move the end of the attempt's time, then tell the operator, who holds the backstop."""
        if self._ending.is_fork:  # which may have inherited the lock as held
            raise forked("the timeout was extended")
        if self._assignment.execution_timeout is None:
            return
        with self._extending:
            granted = self._assignment.more_time(self._extended, seconds)
            self._deadline += granted
            self._extended += granted
            self._ending.tell_extension(self._extended)
        if granted < seconds:
            limit = self._assignment.max_extension
            notify(
                f"the timeout was extended by {granted:g}s and not by {seconds:g}s: "
                f"{limit:g}s in all are allowed (maxExtensionSeconds of the task, or of the chart)"
            )

    def _fail(self, error: BaseException | None) -> None:
        """Report that the function did not succeed; None: it returned, but had cancelled itself."""
        self._leave_if_forked(error)
        from podhatch.runner.failure import TaskFailure, describe, error_report
        from podhatch.runner.retry import wish

        if error is None or self._host.cancelled_itself:
            told = error_report("Cancelled", "the task cancelled itself")
            self._ending.report("Cancelled", error=told, again={"retryable": False})
            return
        told = describe(error)
        if self._watch.terminated and not isinstance(error, TaskFailure):
            # asyncio.CancelledError has no message
            told["message"] = told["message"] or "the task was cancelled while it ran"
            self._ending.report("Cancelled", error=told)
        else:
            self._ending.report("Failed", error=told, again=wish(error))

    def _leave_if_forked(self, error: BaseException | None) -> None:
        """End a process that the user's code forked, and let come back into the runner."""
        if self._ending.is_fork:
            leave_fork(error)

    # What follows runs in the watch's thread.

    def _terminate(self) -> None:
        """SIGTERM: code that is only being loaded ends here, a function may end by itself."""
        if not self._started:
            self._stop("Cancelled", "Cancelled", "the task was cancelled before it started")
        now = time.monotonic()
        self._watch.call_at(now + CANCEL_SECONDS, self._interrupt)
        self._watch.call_at(now + GRACE_SECONDS, self._give_up)

    def _interrupt(self) -> bool:
        """Cancel the function if it is async and runs; False if not."""
        return self._performance is not None and self._performance.interrupt()

    def _give_up(self) -> NoReturn:
        message = f"the task did not end within {GRACE_SECONDS:g}s of being cancelled"
        self._stop("Cancelled", "Cancelled", message)

    def _look_at_clock(self) -> None:
        if time.monotonic() < self._deadline:  # the task has moved it
            self._watch.call_at(self._deadline, self._look_at_clock)
        elif not self._ending.reported:
            self._time_out()

    def _time_out(self) -> None:
        """Report, and end the process; an async function may clean up before."""
        limit = (self._assignment.execution_timeout or 0.0) + self._extended
        outcome = "Cancelled" if self._watch.terminated else "TimedOut"
        if not self._report_stop(outcome, "TimedOut", f"Task exceeded timeout of {limit:g}s"):
            return  # it ended this very moment
        if not self._interrupt():
            self._ending.exit()
        self._watch.call_at(time.monotonic() + INTERRUPTED_SECONDS, self._exit_unless_ended)

    def _stop(self, outcome: Outcome, kind: str, message: str) -> NoReturn:
        """End the attempt over the head of the user's function."""
        self._report_stop(outcome, kind, message)
        self._ending.exit()

    def _report_stop(self, outcome: Outcome, kind: str, message: str) -> bool:
        """Report unless that was done before, and tell where the user's function was."""
        from podhatch.runner.failure import current_stack, error_report

        coroutine = self._performance.coroutine if self._performance else None
        trace = current_stack(coroutine) if self._started else ""
        again: Wish = {"retryable": False} if self._host.cancelled_itself else {}
        error = error_report(kind, message, trace)
        return self._ending.report(outcome, error=error, again=again)

    def _exit_unless_ended(self) -> None:
        if not self._ended:
            self._ending.exit()

    def _abandon_clean_up(self) -> NoReturn:
        sys.stderr.write(
            f"podhatch: what runs after the task did not end within {CLEAN_UP_SECONDS:g}s\n"
        )
        self._ending.exit()


class _PodHost(Host):
    """Hands what the task asks for to its attempt."""

    def __init__(self, extend: Callable[[float], None], watch: Watch) -> None:
        super().__init__()
        self.cancelled_itself = False
        self._extend = extend
        self._watch = watch
        self._process = os.getpid()

    def is_cancelled(self) -> bool:
        return self._watch.terminated

    def cancel(self) -> None:
        if os.getpid() != self._process:  # its watch would wake that of the first process
            raise forked("the task was cancelled")
        self.cancelled_itself = True
        self._watch.terminate()

    def extend_timeout(self, seconds: float) -> None:
        self._extend(seconds)


def _dump(value: object) -> str | None:
    """Return the output as JSON text; where it was returned, a traceback would not tell more."""
    try:
        return dump_output(value)
    except IllegalTaskOutputError as error:
        from podhatch.runner.failure import TaskFailure

        raise TaskFailure(type(error).__name__, str(error)) from None
