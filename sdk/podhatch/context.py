"""What a task's function gets beside its input. Made by the runner, and by tests of user code.

Imports the standard library only, because the runner loads it before the user's code.
"""

import json
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from podhatch.serialization import load_value

if TYPE_CHECKING:
    from podhatch.runnables.standalone import Standalone
    from podhatch.runnables.task import Task

R = TypeVar("R")


class Context:
    """Facts about the run and its attempt, and the outputs of the task's parents.

    Attributes:
        workflow_run_id: Name of the WorkflowRun.
        task_run_id: Name of this attempt's Job.
        workflow_name: The workflow's name, as its definition spells it.
        task_name: This task's name.
        attempt_number: 1 for the first attempt.
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
    ) -> None:
        self.workflow_run_id = workflow_run_id
        self.task_run_id = task_run_id
        self.workflow_name = workflow_name
        self.task_name = task_name
        self.attempt_number = attempt_number
        self.additional_metadata = dict(additional_metadata)
        self._parents = parents
        self._is_cancelled = is_cancelled

    @property
    def retry_count(self) -> int:
        """How often the task was tried before: 0 in the first attempt."""
        return self.attempt_number - 1

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
            ValueError: The task is not a parent of this one.
            IllegalTaskOutputError: The output does not fit what the parent declares.
        """
        if isinstance(task, str):
            return self._output_of(task)
        parent = cast("Task[Any, R]", getattr(task, "task", task))
        return load_value(json.dumps(self._output_of(parent.name)), parent.output_validator)

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
