"""What users define and run: a workflow of tasks, and a task that is a workflow of its own.

Made by `Hatchet.workflow()` and `Hatchet.task()`. They touch no cluster until a run method is
called.
"""

from typing import TYPE_CHECKING, Any, Generic

from podhatch.api.names import object_name
from podhatch.client.runs.references import TaskRunRef, WorkflowRunRef
from podhatch.definitions.graph import Origin, Project, TaskGraph
from podhatch.definitions.mock import Mockable
from podhatch.definitions.options.task_options import task_settings
from podhatch.definitions.options.workflow_options import (
    StandaloneOptions,
    WorkflowOptions,
    split,
)
from podhatch.definitions.runnable import Runnable
from podhatch.definitions.task import AnyTaskFunction, Input, R, R_co, Task, is_task_name, name_of
from podhatch.task.handle import register_task

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from podhatch.api.model import JsonObject
    from podhatch.client.manifest import Manifest
    from podhatch.task import Context


MAX_TASK_NAME = 63


class Workflow(TaskGraph[Input], Runnable[Input, dict[str, Any], WorkflowRunRef]):
    """A directed acyclic graph of tasks, each of which runs in a pod of its own.

    Attributes:
        name: As the author wrote it; the object's name in the cluster is made from it.
        tasks: In the order of their definition; the two below are not among them.
        failure_task: What runs when a task has failed; None if nothing does.
        success_task: What runs when all tasks succeeded; None if nothing does.
        settings: Its image, description and so on.
        project: What it shares with the other workflows of its `Hatchet`.
        cron_input: Input of the runs that `on_crons` start.
        is_stub: Whether its code is elsewhere, and somebody else publishes it.
        lifespan: The worker's, where there is one; in a pod the cluster's word counts.
    """

    @property
    def workflow(self) -> "Workflow[Input]":
        """The workflow itself."""
        return self

    def manifest(self) -> "Manifest":
        """Return what a run would apply. Touches no cluster.

        Raises:
            ValueError: It has no task, no pod could find a task's code, an expression is not CEL,
                a task's return type cannot be read or used, the cron's input does not fit, or the
                source is too large.
        """
        from podhatch.client import session_override
        from podhatch.definitions.manifest.objects import manifest_of

        if session_override.current() is not None:
            for task in self.all_tasks:  # this process may know another workflow of this name
                register_task(task)
            return manifest_of(self, ship=False)
        if self._manifest is None:
            self._manifest = manifest_of(self)
        return self._manifest

    def get_run_ref(self, run_id: "JsonObject | str") -> WorkflowRunRef:
        """Return a reference to a run of this. Touches no cluster.

        Args:
            run_id: The run's name, or the WorkflowRun object.
        """
        return WorkflowRunRef(self.target, run_id)

    def add_task(self, standalone: "Standalone[Input, R]") -> Task[Input, R]:
        """Copy a standalone task into this workflow, with its options and image, and return it.

        Args:
            standalone: The task.

        Raises:
            TypeError: It is not a task made by `@hatchet.task()`.
            ValueError: The name is taken, or the task is a stub.
        """
        if not isinstance(standalone, Standalone):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"workflow {self.name!r}: add_task: expected a task made by "
                f"@hatchet.task(), got {standalone!r}"
            )
        if standalone.workflow.is_stub:
            raise ValueError(f"workflow {self.name!r}: add_task: {standalone!r} is a stub")
        copied, own = standalone.task, standalone.workflow.settings
        self._new_subject(copied.fn, copied.name)
        settings = copied.settings._replace(
            image=copied.settings.image or own.image,
            pod=copied.settings.pod or own.pod,
            concurrency=copied.settings.concurrency or own.concurrency,
        )
        return self._place(Task(copied.fn, copied.name, self, (), settings))

    def __repr__(self) -> str:
        return f"<Workflow {self.name}: {', '.join(task.name for task in self.tasks) or 'no task'}>"


class Standalone(
    Runnable[Input, R_co, TaskRunRef[Input, R_co]], Mockable[Input, R_co], Generic[Input, R_co]
):
    """One task, run by itself.

    Attributes:
        name: Name of its workflow.
        task: The one task of that workflow.
    """

    _runs_others = False

    def __init__(self, workflow: Workflow[Input], task: Task[Input, R_co]) -> None:
        self.name = workflow.name
        self.task = task
        self._workflow = workflow

    @property
    def workflow(self) -> Workflow[Input]:
        """The workflow that holds the one task."""
        return self._workflow

    @property
    def tasks(self) -> list[Task[Input, Any]]:
        """The one task, as a list."""
        return self.workflow.tasks

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

    def __repr__(self) -> str:
        return f"<Standalone {self.name}>"


def standalone(
    fn: AnyTaskFunction[Input, R_co],
    name: str | None,
    validator: type[Input] | None,
    options: StandaloneOptions,
    project: Project,
    origin: Origin,
    cron_input: "Input | JsonObject | None",
    *,
    durable: bool,
) -> Standalone[Input, R_co]:
    """Return the standalone task that a function becomes."""
    name = name_of("a standalone task", fn, name)
    own, task_options = split(options)
    workflow = Workflow(name, validator, own, project, origin=origin, cron_input=cron_input)
    decorator: Callable[..., Any] = workflow.durable_task if durable else workflow.task
    task: Task[Input, R_co] = decorator(_task_name(name), **task_options)(fn)
    return Standalone(workflow, task)


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

    def elsewhere(_input: Input, _ctx: "Context") -> R_co:
        raise RuntimeError(f"{name!r} is a stub: its code is elsewhere")

    task = Task(elsewhere, _task_name(name), workflow, (), settings, returns=output)
    return Standalone(workflow, task)


def _task_name(workflow: str) -> str:
    """Return the one task's name: the workflow's where it can be, else its object's."""
    name = workflow.lower()
    return name if is_task_name(name) else object_name(workflow, MAX_TASK_NAME)
