"""The end of an attempt: reported once, by whoever comes first, and then the process is gone.

Only the process that the pod started reports. What the user's code forks has its own ending.
"""

import atexit
import contextlib
import os
import sys
import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NoReturn

from podhatch.api import pod
from podhatch.api.pod import ErrorReport, Outcome, Report
from podhatch.runner import report as reports
from podhatch.runner.assignment import Assignment
from podhatch.runner.report import NotDelivered, Reporter

if TYPE_CHECKING:
    from podhatch.runner.retry import Wish

EXIT_CODES: dict[Outcome, int] = {
    "Succeeded": pod.EXIT_SUCCEEDED,
    "Failed": pod.EXIT_FAILED,
    "TimedOut": pod.EXIT_TIMED_OUT,
    "Cancelled": pod.EXIT_CANCELLED,
}
EXIT_HANDLER_SECONDS = 5.0
NO_WISH: "Wish" = {}


class Ending:
    """Reports the outcome through the reporter, then by termination message; then exits."""

    def __init__(self, assignment: Assignment, reporter: Reporter | None) -> None:
        self._assignment = assignment
        self._reporter = reporter
        self._process = os.getpid()
        self._report = reports.new_report(assignment)
        self._reporting = threading.Lock()
        self._leaving = threading.Lock()
        self.reported = False
        """Whether the outcome is settled, and told or being told."""

    @property
    def is_fork(self) -> bool:
        """Whether this process was forked by the user's code, so that it must not report."""
        return os.getpid() != self._process

    def prepare(self) -> None:
        """Get the reporter ready in the background."""
        if self._reporter:
            self._reporter.prepare()

    def mark_start(self) -> None:
        """The user's function starts now."""
        self._report["startedAt"] = _now()

    def tell_extension(self, seconds: float) -> None:
        """Tell that the attempt has got so many seconds more in all, unless its outcome is settled.

        When nobody can be told, the task goes on, until its Job's own deadline at the latest.
        """
        with self._reporting:
            if self.reported:
                return
            self._report["extendedSeconds"] = seconds
            if self._reporter is None:
                return
            try:
                self._reporter.send_first(self._report)
            except NotDelivered as error:
                notify(f"the operator was not told of the longer timeout: {error}")

    def report(
        self,
        outcome: Outcome,
        *,
        output: str | None = None,
        error: ErrorReport | None = None,
        again: "Wish" = NO_WISH,
    ) -> bool:
        """Settle the outcome and tell it; False, and nothing more, when it was settled before.

        A forked process settles nothing: it may have inherited the lock as held.
        """
        if self.is_fork:
            return False
        with self._reporting:
            if self.reported:
                return False
            self.reported = True
            if "retryable" in again:
                self._report["retryable"] = again["retryable"]
            if "retryAfterSeconds" in again:
                self._report["retryAfterSeconds"] = again["retryAfterSeconds"]
            self._report = self._deliver(self._complete(outcome, output, error))
            with contextlib.suppress(Exception):  # the user may have closed stderr
                _print(self._report)
            return True

    def exit(self) -> NoReturn:
        """Leave, without waiting for threads the user left behind nor long for anything else.

        Who comes second waits here for the process to end.
        """
        if self.is_fork:
            leave_fork(None)
        self._leaving.acquire()
        code = EXIT_CODES[self._report.get("outcome", "Failed")]
        with contextlib.suppress(BaseException):
            limit = threading.Timer(EXIT_HANDLER_SECONDS, os._exit, (code,))
            limit.daemon = True
            limit.start()
            _flush()
            if threading.current_thread() is threading.main_thread():
                # What the user registered with atexit, such as the last flush of a tracer.
                atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
            _flush()
        os._exit(code)

    def _complete(self, outcome: Outcome, output: str | None, error: ErrorReport | None) -> Report:
        report = self._report
        report["outcome"] = outcome
        report["finishedAt"] = _now()
        if output is not None:
            report["output"] = output
        if error is not None:
            report["error"] = error
        room = self._assignment.message_bytes
        excess = reports.too_large(report, room=room, cluster_access=self._reporter is not None)
        return reports.failed(report, excess) if excess else report

    def _deliver(self, report: Report) -> Report:
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

    def _write_message(self, report: Report, *, recorded: bool) -> None:
        room = self._assignment.message_bytes
        try:
            with open(self._assignment.output_path, "wb") as file:
                file.write(reports.termination_message(report, room=room, recorded=recorded))
        except OSError as error:
            notify(f"the termination message could not be written: {error}")


def leave_fork(error: BaseException | None) -> NoReturn:
    """End a forked process as Python would: with the code of `sys.exit`, or a traceback and 1.

    `os._exit`, as multiprocessing does: handlers of atexit, buffers of connections and the like
    are the first process's.
    """
    code = EXIT_CODES["Succeeded"]
    with contextlib.suppress(BaseException):
        if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            code = (error.code or 0) & 0xFF
        elif error is not None:
            code = EXIT_CODES["Failed"]
            sys.stderr.write(f"podhatch: {_account(error)}")
        _flush()
    os._exit(code)


def _account(error: BaseException) -> str:
    from podhatch.runner.failure import format_exception

    if isinstance(error, SystemExit):  # sys.exit("a message")
        return f"a process that the task forked ended: {error.code}\n"
    return f"a process that the task forked failed:\n{format_exception(error)}"


def forked(what: str) -> RuntimeError:
    """Return the error for what only the task's own process can do."""
    return RuntimeError(
        f"{what} in a process that the task forked: do it in the task's own process or its threads"
    )


def _print(report: Report) -> None:
    """Show the error in the pod's log."""
    error = report.get("error")
    if error:
        sys.stderr.write(error.get("traceback", ""))
        notify(f"{report.get('outcome')}: {error['type']}: {error['message']}")


def notify(text: str) -> None:
    """Write a line of the runner's own to the pod's log."""
    sys.stderr.write(f"podhatch: {text}\n")


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()


def _now() -> str:
    """RFC 3339 in UTC with microseconds."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
