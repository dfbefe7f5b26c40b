"""References to runs: what `run_no_wait` returns, and how its caller comes by the result."""

import json
from typing import TYPE_CHECKING, Any, Generic, cast

from podhatch.client.target import Target
from podhatch.runnables.task import Input, R_co, Task
from podhatch.serialization import load_value

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject


class WorkflowRunRef:
    """A run of a workflow.

    Attributes:
        workflow_run_id: Name of the WorkflowRun object; `str()` of the reference gives it too.
        namespace: Where the object is.
    """

    def __init__(self, target: Target, run: "JsonObject") -> None:
        self.workflow_run_id = str(run["metadata"]["name"])
        self.namespace = str(run["metadata"]["namespace"])
        self._target = target
        self._run = run

    def result(self) -> dict[str, Any]:
        """Wait for the run's end and return each task's output as JSON, by task name.

        Tasks that were skipped are left out. A success task is there by its own name.

        Raises:
            FailedTaskRunExceptionGroup: The run failed; it holds an error for each failed task.
            InvalidRun: The cluster did not accept the run's input.
            RunCancelled: The run was cancelled.
            RunDeleted: The run was deleted before its end was seen.
        """
        return _loaded(self.output_texts())

    async def aio_result(self) -> dict[str, Any]:
        """Do what `result` does, in an event loop."""
        return _loaded(await self.aio_output_texts())

    def output_texts(self) -> dict[str, str | None]:
        """Wait as `result` does, and return the outputs as the JSON texts that tasks wrote."""
        from podhatch.client import portal, runs

        return portal.wait(runs.outputs(self._target, self._run))

    async def aio_output_texts(self) -> dict[str, str | None]:
        """Do what `output_texts` does, in an event loop."""
        from podhatch.client import portal, runs

        return await portal.aio_wait(runs.outputs(self._target, self._run))

    def __str__(self) -> str:
        return self.workflow_run_id

    def __repr__(self) -> str:
        return f"<WorkflowRunRef {self.namespace}/{self.workflow_run_id}>"


class TaskRunRef(Generic[Input, R_co]):
    """A run of a standalone task.

    Attributes:
        workflow_run_id: Name of the WorkflowRun object; `str()` of the reference gives it too.
    """

    def __init__(self, task: Task[Input, R_co], reference: WorkflowRunRef) -> None:
        self.workflow_run_id = reference.workflow_run_id
        self._task = task
        self._reference = reference

    def result(self) -> R_co:
        """Wait for the run's end and return the task's output, as what it declares to return.

        Raises:
            FailedTaskRunExceptionGroup: The run failed; it holds the task's error.
            IllegalTaskOutputError: The output is not what the task declares to return.
            InvalidRun: The cluster did not accept the run's input.
            RunCancelled: The run was cancelled.
            RunDeleted: The run was deleted before its end was seen.
        """
        return self._output(self._reference.output_texts())

    async def aio_result(self) -> R_co:
        """Do what `result` does, in an event loop."""
        return self._output(await self._reference.aio_output_texts())

    def _output(self, texts: dict[str, str | None]) -> R_co:
        text = texts.get(self._task.name)
        value = load_value("null" if text is None else text, self._task.output_validator)
        return cast("R_co", value)

    def __str__(self) -> str:
        return self.workflow_run_id

    def __repr__(self) -> str:
        return f"<TaskRunRef {self._reference.namespace}/{self.workflow_run_id}>"


def _loaded(texts: dict[str, str | None]) -> dict[str, Any]:
    return {task: None if text is None else json.loads(text) for task, text in texts.items()}
