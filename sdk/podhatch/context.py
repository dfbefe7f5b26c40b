"""What a task's function gets beside its input. Made by the runner, and by tests of user code.

Imports the standard library only, because the runner loads it before the user's code.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from podhatch.errors import TaskRunError
from podhatch.serialization import load_value

if TYPE_CHECKING:
    from podhatch.runnables.duration import Duration
    from podhatch.runnables.standalone import Standalone
    from podhatch.runnables.task import Task

R = TypeVar("R")

SKIPPED = {"skipped": True}
"""What stands in the place of a skipped parent's output."""


class Context:
    """Facts about the run and its attempt, and the outputs of the task's parents.

    Attributes:
        workflow_run_id: Name of the WorkflowRun.
        task_run_id: Name of this attempt's Job.
        workflow_name: The workflow's name, as its definition spells it.
        task_name: This task's name.
        attempt_number: 1 for the first attempt.
        retry_count: How often the task was tried before: 0 in the first attempt.
        max_attempts: One more than the task's retries. Pods that were lost come on top.
        additional_metadata: What the run was started with.
    """

    def __init__(
        self,
        *,
        workflow_run_id: str,
        task_run_id: str,
        workflow_name: str,
        task_name: str,
        attempt_number: int,
        additional_metadata: Mapping[str, str],
        parents: Mapping[str, object],
        is_cancelled: Callable[[], bool],
        retry_count: int | None = None,
        max_attempts: int = 1,
        errors: Mapping[str, str] | None = None,
        extend_timeout: Callable[[float], None] | None = None,
    ) -> None:
        self.workflow_run_id = workflow_run_id
        self.task_run_id = task_run_id
        self.workflow_name = workflow_name
        self.task_name = task_name
        self.attempt_number = attempt_number
        self.additional_metadata = dict(additional_metadata)
        self._parents = parents
        self.retry_count = attempt_number - 1 if retry_count is None else retry_count
        self.max_attempts = max_attempts
        self._is_cancelled = is_cancelled
        self._errors = dict(errors or {})
        self._extend_timeout = extend_timeout

    @property
    def is_cancelled(self) -> bool:
        """Whether the task was asked to stop; a long loop in a sync function looks at this."""
        return self._is_cancelled()

    @overload
    def task_output(self, task: "Task[Any, R] | Standalone[Any, R]") -> R: ...
    @overload
    def task_output(self, task: str) -> Any: ...
    def task_output(self, task: "Task[Any, R] | Standalone[Any, R] | str") -> Any:
        """Return a parent's output, validated to what the parent declares to return.

        Args:
            task: The parent; by its name, the output comes as plain JSON values.

        Raises:
            ValueError: The task is not a parent of this one, or was skipped.
            IllegalTaskOutputError: The output does not fit what the parent declares.
        """
        if self.was_skipped(task):
            raise ValueError(
                f"task {_name(task)} was skipped and has no output: ask ctx.was_skipped() first"
            )
        if isinstance(task, str):
            return self._output_of(task)
        parent = cast("Task[Any, R]", getattr(task, "task", task))
        return load_value(json.dumps(self._output_of(parent.name)), parent.output_validator)

    def was_skipped(self, task: "Task[Any, Any] | Standalone[Any, Any] | str") -> bool:
        """Tell whether a parent was skipped, and so has no output.

        A parent that returns `{"skipped": True}` itself cannot be told from one that was.

        Raises:
            ValueError: The task is not a parent of this one.
        """
        return self._output_of(_name(task)) == SKIPPED

    @property
    def task_run_errors(self) -> dict[str, str]:
        """In a failure task: the error's text of each task that failed, by its name."""
        return dict(self._errors)

    def get_task_run_error(
        self, task: "Task[Any, Any] | Standalone[Any, Any] | str"
    ) -> TaskRunError | None:
        """Return, in a failure task, why a task failed; None if it did not."""
        text = self._errors.get(_name(task))
        if text is None:
            return None
        told, mark, trace = text.partition("\nTraceback (most recent call last):")
        kind, colon, message = told.partition(": ")
        if not colon or not kind.isidentifier():
            kind, message = "Error", told
        return TaskRunError(message, kind, f"{mark}{trace}".lstrip("\n"), task=_name(task))

    def refresh_timeout(self, increment_by: "Duration") -> None:
        """Give the running attempt more time: the increment is added to its current deadline.

        The operator is told, so that the Job's own deadline moves along. A pod without access to
        the cluster (`cluster_access=False`, or a service account of its own) moves its own deadline
        only, and its Job ends it about a minute after `schedule_timeout` and `execution_timeout`
        together, counted from the Job's start.

        Args:
            increment_by: A timedelta, or a text such as `1h30m`.

        Raises:
            ValueError: It is no duration.
        """
        from podhatch.runnables.duration import seconds

        increment = seconds(increment_by)
        if self._extend_timeout is not None:
            self._extend_timeout(increment)

    async def aio_refresh_timeout(self, increment_by: "Duration") -> None:
        """Do what `refresh_timeout` does, in an event loop."""
        import asyncio

        await asyncio.to_thread(self.refresh_timeout, increment_by)

    def _output_of(self, parent: str) -> object:
        if parent in self._parents:
            return self._parents[parent]
        raise ValueError(
            f"task {self.task_name} of workflow {self.workflow_name} has no output of task "
            f"{parent}: add it to parents= of {self.task_name}"
        )

    def log(self, line: str | Mapping[str, object]) -> None:
        """Write a line to the task's log; a mapping is written as JSON."""
        text = line if isinstance(line, str) else json.dumps(line, default=str)
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()


def _name(task: "Task[Any, Any] | Standalone[Any, Any] | str") -> str:
    """Return the name of a task; a standalone task's may differ from its workflow's."""
    return task if isinstance(task, str) else str(getattr(task, "task", task).name)
