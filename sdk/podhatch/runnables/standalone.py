"""A task that is a workflow of its own, and returns its own typed output.

Made by `Hatchet.task()`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic

from podhatch.api.names import object_name
from podhatch.client.target import Target
from podhatch.runnables.references import TaskRunRef
from podhatch.runnables.settings import StandaloneOptions, split
from podhatch.runnables.task import Input, R_co, Task, TaskFunction, is_task_name, name_of
from podhatch.runnables.trigger import NO_OPTIONS, TriggerWorkflowOptions
from podhatch.runnables.workflow import Workflow

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject

MAX_TASK_NAME = 63


class Standalone(Generic[Input, R_co]):
    """One task, run by itself.

    Attributes:
        name: Name of its workflow.
        workflow: The workflow that holds the one task.
        task: That task.
    """

    def __init__(
        self,
        fn: TaskFunction[Input, R_co],
        name: str | None,
        validator: type[Input] | None,
        options: StandaloneOptions,
        target: Target,
    ) -> None:
        workflow_options, task_options = split(options)
        self.name = name_of("a standalone task", fn, name)
        self.workflow = Workflow(self.name, validator, workflow_options, target)
        self.task: Task[Input, R_co] = self.workflow.task(_task_name(self.name), **task_options)(fn)

    @property
    def input_validator(self) -> type[Input]:
        """The declared type of the input; EmptyModel by default."""
        return self.workflow.input_validator

    @property
    def output_validator(self) -> type[R_co] | None:
        """The declared return type; None when there is none."""
        return self.task.output_validator

    @property
    def is_async_function(self) -> bool:
        """Whether the function is async."""
        return self.task.is_async_function

    def to_yaml(self) -> str:
        """Return what a run would apply, as YAML for `kubectl apply --server-side`.

        Touches no cluster. (Plain `kubectl apply` writes all of an object into an annotation, for
        which a source tree may be too large.)

        Raises:
            ValueError: No pod could find the function, or the source is too large.
        """
        return self.workflow.to_yaml()

    def run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions = NO_OPTIONS,
        *,
        additional_metadata: Mapping[str, str] | None = None,
    ) -> R_co:
        """Run the task, wait for its end, and return its output as what it declares to return.

        Args:
            input: What the task declares, or a dict that fits it; by default an EmptyModel.
            options: Metadata and so on.
            additional_metadata: Texts that travel with the run, over those of the options.

        Raises:
            FailedTaskRunExceptionGroup: The run failed; it holds the task's error.
            IllegalTaskOutputError: The output is not what the task declares to return.
            InvalidRun: The input does not fit; nothing was created.
            RunCancelled: The run was cancelled.
        """
        return self.run_no_wait(input, options, additional_metadata=additional_metadata).result()

    async def aio_run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions = NO_OPTIONS,
        *,
        additional_metadata: Mapping[str, str] | None = None,
    ) -> R_co:
        """Do what `run` does, in an event loop."""
        reference = await self.aio_run_no_wait(
            input, options, additional_metadata=additional_metadata
        )
        return await reference.aio_result()

    def run_no_wait(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions = NO_OPTIONS,
        *,
        additional_metadata: Mapping[str, str] | None = None,
    ) -> TaskRunRef[Input, R_co]:
        """Start the task and return a reference to the run, whose `result()` waits for it."""
        reference = self.workflow.run_no_wait(
            input, options, additional_metadata=additional_metadata
        )
        return TaskRunRef(self.task, reference)

    async def aio_run_no_wait(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions = NO_OPTIONS,
        *,
        additional_metadata: Mapping[str, str] | None = None,
    ) -> TaskRunRef[Input, R_co]:
        """Do what `run_no_wait` does, in an event loop."""
        reference = await self.workflow.aio_run_no_wait(
            input, options, additional_metadata=additional_metadata
        )
        return TaskRunRef(self.task, reference)

    def __repr__(self) -> str:
        return f"<Standalone {self.name}>"


def _task_name(workflow: str) -> str:
    """Return the one task's name: the workflow's where it can be, else its object's."""
    name = workflow.lower()
    return name if is_task_name(name) else object_name(workflow, MAX_TASK_NAME)
