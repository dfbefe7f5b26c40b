"""A task that is a workflow of its own, and returns its own typed output.

Made by `Hatchet.task()`.
"""

from typing import TYPE_CHECKING, Generic

from podhatch.api.names import object_name
from podhatch.definitions.options.task_options import task_settings
from podhatch.definitions.options.workflow_options import StandaloneOptions, WorkflowOptions, split
from podhatch.definitions.origin import Origin
from podhatch.definitions.project import Project
from podhatch.definitions.runnable import Runnable
from podhatch.definitions.running.bulk_item import WorkflowRunTriggerConfig, check_alone
from podhatch.definitions.running.mock import Mockable
from podhatch.definitions.running.references import TaskRunRef
from podhatch.definitions.task import Input, R_co, Task, TaskFunction, is_task_name, name_of
from podhatch.definitions.workflow import Workflow

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from podhatch.api.model import JsonObject
    from podhatch.task import Context

MAX_TASK_NAME = 63


class Standalone(
    Runnable[Input, R_co, TaskRunRef[Input, R_co]], Mockable[Input, R_co], Generic[Input, R_co]
):
    """One task, run by itself.

    Attributes:
        name: Name of its workflow.
        task: The one task of that workflow.
    """

    def __init__(self, workflow: Workflow[Input], task: Task[Input, R_co]) -> None:
        self.name = workflow.name
        self.task = task
        self._workflow = workflow

    @property
    def workflow(self) -> Workflow[Input]:
        """The workflow that holds the one task."""
        return self._workflow

    @property
    def _mocked(self) -> Task[Input, R_co]:
        return self.task

    @property
    def output_validator(self) -> type[R_co] | None:
        """The declared return type; None when there is none."""
        return self.task.output_validator

    @property
    def output_validator_type(self) -> type[R_co] | None:
        """Another name of `output_validator`."""
        return self.output_validator

    @property
    def is_async_function(self) -> bool:
        """Whether the function is async."""
        return self.task.is_async_function

    def get_run_ref(self, run_id: "JsonObject | str") -> TaskRunRef[Input, R_co]:
        """Return a reference to a run of this. Touches no cluster.

        Args:
            run_id: The run's name, or the WorkflowRun object.
        """
        return TaskRunRef(self.task, self.target, run_id)

    def _check_items(self, items: "Sequence[WorkflowRunTriggerConfig]") -> None:
        check_alone(self.name, items)

    def __repr__(self) -> str:
        return f"<Standalone {self.name}>"


def standalone(
    fn: TaskFunction[Input, R_co],
    name: str | None,
    validator: type[Input] | None,
    options: StandaloneOptions,
    project: Project,
    origin: Origin,
    cron_input: "Input | JsonObject | None",
) -> Standalone[Input, R_co]:
    """Return the standalone task that a function becomes."""
    workflow_options, task_options = split(options)
    name = name_of("a standalone task", fn, name)
    workflow = Workflow(
        name, validator, workflow_options, project, origin=origin, cron_input=cron_input
    )
    return Standalone(workflow, workflow.task(_task_name(name), **task_options)(fn))


def standalone_stub(
    name: str,
    validator: type[Input] | None,
    output: type[R_co] | None,
    metadata: "Mapping[str, object] | None",
    project: Project,
) -> Standalone[Input, R_co]:
    """Return a standalone task whose code is elsewhere."""
    options: WorkflowOptions = {"default_additional_metadata": metadata}
    workflow = Workflow(name, validator, options, project, origin=None)
    settings = task_settings(f"workflow {name!r}", {}, workflow.settings.task_defaults)

    def elsewhere(input: Input, ctx: "Context") -> R_co:
        raise NotImplementedError(f"{name} is a stub: its code is elsewhere")

    task = Task(elsewhere, _task_name(name), workflow, (), settings, returns=output)
    return Standalone(workflow, task)


def _task_name(workflow: str) -> str:
    """Return the one task's name: the workflow's where it can be, else its object's."""
    name = workflow.lower()
    return name if is_task_name(name) else object_name(workflow, MAX_TASK_NAME)
