"""How one attempt of a task ends: reported once, by whoever comes first.

The pod's process and a thread of `run_local` share this; they differ in their `Delivery`, and in
how they stop the user's function.
"""

import os
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from podhatch.api import pod
from podhatch.runner import report as reports
from podhatch.runner.assignment import Assignment
from podhatch.runner.process import leave_fork, notify
from podhatch.runner.report import NotDelivered, TaskFailure, error_report
from podhatch.task.context import Host

if TYPE_CHECKING:
    from podhatch.api.pod import ErrorReport, Outcome, Report
    from podhatch.runner.failure import RetryReport

EXIT_CODES: "dict[Outcome, int]" = {
    "Succeeded": pod.EXIT_SUCCEEDED,
    "Failed": pod.EXIT_FAILED,
    "TimedOut": pod.EXIT_TIMED_OUT,
    "Cancelled": pod.EXIT_CANCELLED,
    "Evicted": pod.EXIT_EVICTED,
}
_NO_RETRY: "RetryReport" = {"retryable": False}
_UNSPECIFIED: "RetryReport" = {}


class CallObserver(Protocol):
    """Receives the start and the end of the function."""

    def begin(self) -> None:
        """The lifespan is set up; the task starts, with its dependencies."""
        ...

    def end(self, value: object, error: BaseException | None) -> None:
        """The task and its dependencies have ended; the lifespan's rest comes after this."""
        ...


class Delivery(Protocol):
    """Takes the reports of an attempt to where they are read."""

    def extended(self, report: "Report") -> None:
        """Deliver a report without an outcome, of an attempt that still runs.

        Raises:
            NotDelivered: It could not be delivered in reasonable time.
        """
        ...

    def ended(self, report: "Report") -> "Report":
        """Deliver the last report; return it as it was delivered."""
        ...


class Attempt:
    """Settles the outcome of one attempt. Safe to call from several threads.

    Attributes:
        is_cancelled: Returns whether the task was asked to stop.
        settled: Whether the outcome is decided, and delivered or being delivered.
        extended: By how many seconds the task has moved its time limit.
        cancelled_itself: Whether the task asked to be cancelled.
    """

    def __init__(
        self,
        assignment: Assignment,
        delivery: Delivery,
        *,
        now: Callable[[], str],
        cancelled: Callable[[], bool],
    ) -> None:
        """Begin with nothing reported; `now` gives the time as RFC 3339."""
        self._assignment = assignment
        self._delivery = delivery
        self._now = now
        self.is_cancelled = cancelled
        self._process = os.getpid()
        self._report: Report = {
            "run": assignment.run,
            "task": assignment.task,
            "attempt": assignment.attempt,
        }
        self._lock = threading.Lock()
        self._is_renounced = False
        self.settled = False
        self.extended = 0.0
        self.cancelled_itself = False

    @property
    def is_fork(self) -> bool:
        """Whether this process was forked by the user's code, so that it must not report."""
        return os.getpid() != self._process

    @property
    def exit_code(self) -> int:
        """The exit code that says how the attempt ended."""
        if self._is_renounced:
            return pod.EXIT_TAKEN_OVER
        return EXIT_CODES[self._report.get("outcome", "Failed")]

    @property
    def time_limit(self) -> float | None:
        """Seconds from the start of the user's function, extensions included."""
        timeout = self._assignment.execution_timeout
        return None if timeout is None else timeout + self.extended

    def leave_if_forked(self, error: BaseException | None) -> None:
        """End a process that the user's code forked, and let come back into the runner."""
        if self.is_fork:
            leave_fork(error)

    def begin(self) -> None:
        """The user's function starts now."""
        self._report["startedAt"] = self._now()

    def extend(self, seconds: float) -> None:
        """Move the time limit, as far as the attempt may.

        If the report is not delivered, the task goes on until its Job's own deadline at the latest.
        """
        if self.time_limit is None:
            return
        with self._lock:
            if self.settled:
                return
            limit = self._assignment.max_extension
            granted = seconds if limit is None else min(seconds, limit - self.extended)
            self.extended += granted
            if granted:
                self._report["extendedSeconds"] = self.extended
                try:
                    self._delivery.extended(self._report.copy())
                except NotDelivered as error:
                    notify(f"the operator was not told of the longer timeout: {error}")
        if limit is not None and granted < seconds:
            notify(
                f"the timeout was extended by {granted:g}s and not by {seconds:g}s: "
                f"{limit:g}s in all are allowed (maxExtensionSeconds of the task, or of the chart)"
            )

    def end(self, value: object, error: BaseException | None) -> None:
        """Report what the user's function returned or raised."""
        self.leave_if_forked(error)
        output = None
        if error is None:
            try:
                output = _dump(value)
            except Exception as illegal:
                error = illegal
        if error is None and not self.cancelled_itself:
            self.settle("Succeeded", output=output)
        else:
            self._fail(error)

    def _fail(self, error: BaseException | None) -> None:
        from podhatch.runner.failure import describe, retry_of

        if error is None or self.cancelled_itself:
            report = error_report("Cancelled", "the task cancelled itself")
            self.settle("Cancelled", error=report, retry=_NO_RETRY)
            return
        report = describe(error)
        if self.is_cancelled() and not isinstance(error, TaskFailure):
            # asyncio.CancelledError has no message
            report["message"] = report["message"] or "the task was cancelled while it ran"
            self.settle("Cancelled", error=report)
        else:
            self.settle("Failed", error=report, retry=retry_of(error))

    def stop(self, outcome: "Outcome", kind: str, message: str, trace: str) -> bool:
        """Report the end of a function that still runs; False when it was reported before."""
        error = error_report(kind, message, trace)
        retry = _NO_RETRY if self.cancelled_itself else _UNSPECIFIED
        return self.settle(outcome, error=error, retry=retry)

    def time_out(self, trace: str) -> bool:
        """Report that the time is over; False when the end was reported before."""
        outcome = "Cancelled" if self.is_cancelled() else "TimedOut"
        message = f"Task exceeded timeout of {self.time_limit or 0.0:g}s"
        return self.stop(outcome, "TimedOut", message, trace)

    def evict(self, waits_over: int) -> bool:
        """Report that the task waits without a pod; False when the end was reported before."""
        self._report["waitsOver"] = waits_over
        return self.settle("Evicted")

    def renounce(self) -> None:
        """Report nothing any more: another attempt has taken the task over."""
        with self._lock:
            self.settled = self._is_renounced = True

    def settle(
        self,
        outcome: "Outcome",
        *,
        output: str | None = None,
        error: "ErrorReport | None" = None,
        retry: "RetryReport" = _UNSPECIFIED,
    ) -> bool:
        """Decide the outcome and report it; False, and nothing more, when it was decided before.

        A forked process decides nothing: it may have inherited the lock as held.
        """
        if self.is_fork:
            return False
        with self._lock:
            if self.settled:
                return False
            self.settled = True
            report: Report = {
                **self._report,
                "outcome": outcome,
                "finishedAt": self._now(),
                **retry,
            }
            if output is not None:
                report["output"] = output
            if error is not None:
                report["error"] = error
            excess = reports.too_large(
                report,
                room=self._assignment.message_bytes,
                cluster_access=self._assignment.result is not None,
            )
            self._report = reports.failed(report, excess) if excess else report
            self._report = self._delivery.ended(self._report)
            return True


class AttemptHost(Host):
    """Hands what the task asks for to its attempt: see `Host`."""

    def __init__(self, attempt: Attempt, cancel: Callable[[], None]) -> None:
        super().__init__()
        self._attempt = attempt
        self._cancel = cancel

    def is_cancelled(self) -> bool:
        """Whether the pod was asked to stop, or the local run was cancelled."""
        return self._attempt.is_cancelled()

    def cancel(self) -> None:
        """End the task as cancelled by itself."""
        self._refuse_fork("the task was cancelled")
        self._attempt.cancelled_itself = True
        self._cancel()

    def extend_timeout(self, seconds: float) -> None:
        """Move the time limit, as far as the attempt may."""
        self._refuse_fork("the timeout was extended")
        self._attempt.extend(seconds)

    def _refuse_fork(self, what: str) -> None:
        """Refuse what only the task's own process can do: it has the watch and the lock."""
        if self._attempt.is_fork:
            raise RuntimeError(
                f"{what} in a process that the task forked: do it in the task's own process or its "
                "threads"
            )


def _dump(value: object) -> str | None:
    """Return the output as JSON text."""
    from podhatch.errors import IllegalTaskOutputError
    from podhatch.values.codec import dump_output

    try:
        return dump_output(value)
    except IllegalTaskOutputError as error:  # its traceback adds nothing
        raise TaskFailure(type(error).__name__, str(error)) from None
