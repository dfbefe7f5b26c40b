"""One attempt, from loading the user's code to its end. Called by `__main__`, once in a process."""

import importlib
import inspect
import threading
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

from podhatch.api.pod import Outcome
from podhatch.context.context import Context
from podhatch.context.current import enter_process
from podhatch.context.host import Host
from podhatch.errors import IllegalTaskOutputError
from podhatch.runner.arguments import arguments_for
from podhatch.runner.assignment import Assignment
from podhatch.runner.ending import Ending
from podhatch.runner.loader import LoadedTask, load
from podhatch.runner.watch import Watch
from podhatch.serialization import dump_output

if TYPE_CHECKING:
    import asyncio

CANCEL_SECONDS = 1.0
"""From SIGTERM to `cancel()` of an async task."""
GRACE_SECONDS = 25.0
"""From SIGTERM to the end; the pod is killed after 30."""


class Attempt:
    """Runs the user's function and tells its ending. The watch may end it from its own thread."""

    def __init__(self, assignment: Assignment, ending: Ending) -> None:
        self._assignment = assignment
        self._ending = ending
        self._watch = Watch(self._terminate)
        self._started = False
        self._deadline = 0.0
        self._extended = 0.0
        self._extending = threading.Lock()
        self._asyncio_task: asyncio.Task[object] | None = None
        self._coroutine: Coroutine[Any, Any, object] | None = None

    def run(self) -> NoReturn:
        """Run, report, and leave the process."""
        self._watch.start()
        try:
            output = self._produce()
        except BaseException as error:
            self._fail(error)
        self._ending.reach("Succeeded", output=output)

    def _produce(self) -> str | None:
        """Return the task's output as JSON text."""
        if self._assignment.source:
            from podhatch.runner.source import enter_source

            enter_source(self._assignment.source)
        task = load(self._assignment)
        context = self._context()
        enter_process(context)
        arguments = arguments_for(task, self._assignment.input, context)
        if inspect.iscoroutinefunction(inspect.unwrap(task.function)):
            importlib.import_module("asyncio")  # not on the task's clock
        self._ending.prepare()
        return _dump(self._call(task, arguments))

    def _call(self, task: LoadedTask, arguments: tuple[object, ...]) -> object:
        self._start_clock()
        value = task.function(*arguments)
        return self._complete(value) if inspect.iscoroutine(value) else value

    def _complete(self, coroutine: Coroutine[Any, Any, object]) -> object:
        import asyncio

        async def main() -> object:
            self._coroutine = coroutine
            self._asyncio_task = asyncio.current_task()
            return await coroutine

        return asyncio.run(main())

    def _start_clock(self) -> None:
        self._started = True
        self._ending.mark_start()
        timeout = self._assignment.execution_timeout
        if timeout is not None:
            self._deadline = time.monotonic() + timeout
            self._watch.call_at(self._deadline, self._look_at_clock)

    def _extend(self, seconds: float) -> None:
        """Move the end of the attempt's time, then tell the operator, who holds the backstop."""
        if self._assignment.execution_timeout is None:
            return
        with self._extending:
            self._deadline += seconds
            self._extended += seconds
            self._ending.tell_extension(self._extended)

    def _context(self) -> Context:
        assignment = self._assignment
        return Context(
            workflow_run_id=assignment.run,
            task_run_id=assignment.task_run_id,
            workflow_name=assignment.workflow,
            task_name=assignment.task,
            attempt_number=assignment.attempt,
            retry_count=assignment.retry_count,
            max_attempts=assignment.max_attempts,
            additional_metadata=dict(assignment.metadata),
            input=assignment.input,
            trigger=assignment.trigger,
            workflow_version_id=assignment.revision,
            worker_id=assignment.pod,
            run_uid=assignment.run_uid,
            parents=assignment.parents,
            errors=assignment.errors,
            host=_PodHost(self._extend, self._watch),
        )

    def _fail(self, error: BaseException) -> NoReturn:
        from podhatch.runner.failure import TaskFailure, describe
        from podhatch.runner.retry import wish

        cancelled = self._watch.terminated and not isinstance(error, TaskFailure)
        report = describe(error)
        if cancelled and not report["message"]:  # as that of asyncio.CancelledError
            report["message"] = "the task was cancelled while it ran"
        if cancelled:
            self._ending.reach("Cancelled", error=report)
        self._ending.reach("Failed", error=report, again=wish(error))

    # What follows runs in the watch's thread.

    def _terminate(self) -> None:
        """SIGTERM: code that is only being loaded ends here, a function may end by itself."""
        if not self._started:
            self._stop("Cancelled", "Cancelled", "the task was cancelled before it started")
        now = time.monotonic()
        self._watch.call_at(now + CANCEL_SECONDS, self._cancel_coroutine)
        self._watch.call_at(now + GRACE_SECONDS, self._give_up)

    def _cancel_coroutine(self) -> None:
        task = self._asyncio_task
        if task is not None:
            with suppress(RuntimeError):  # its loop has closed
                task.get_loop().call_soon_threadsafe(task.cancel)

    def _give_up(self) -> NoReturn:
        message = f"the task did not end within {GRACE_SECONDS:g}s of being cancelled"
        self._stop("Cancelled", "Cancelled", message)

    def _look_at_clock(self) -> None:
        if time.monotonic() < self._deadline:  # the task has moved it
            self._watch.call_at(self._deadline, self._look_at_clock)
        else:
            self._time_out()

    def _time_out(self) -> NoReturn:
        limit = (self._assignment.execution_timeout or 0.0) + self._extended
        message = f"Task exceeded timeout of {limit:g}s"
        self._stop("Cancelled" if self._watch.terminated else "TimedOut", "TimedOut", message)

    def _stop(self, outcome: Outcome, kind: str, message: str) -> NoReturn:
        """End the attempt over the head of the user's function, and tell where it was."""
        from podhatch.runner.failure import current_stack, error_report

        trace = current_stack(self._coroutine) if self._started else ""
        self._ending.reach(outcome, error=error_report(kind, message, trace))


class _PodHost(Host):
    """Hands what the task asks for to its attempt."""

    def __init__(self, extend: Callable[[float], None], watch: Watch) -> None:
        super().__init__()
        self._extend = extend
        self._watch = watch

    def is_cancelled(self) -> bool:
        return self._watch.terminated

    def cancel(self) -> None:
        super().cancel()
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
