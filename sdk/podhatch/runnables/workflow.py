"""A workflow: tasks and the order between them, and the methods that run it.

Made by `Hatchet.workflow()`. Touches no cluster until a run method is called.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Unpack, cast

from podhatch.client.target import Target
from podhatch.loading import refuse_run
from podhatch.runnables.conditions import check_conditions
from podhatch.runnables.references import WorkflowRunRef
from podhatch.runnables.registry import register_task
from podhatch.runnables.settings import (
    GraphTaskOptions,
    HookOptions,
    WorkflowOptions,
    task_settings,
    workflow_settings,
)
from podhatch.runnables.task import (
    Input,
    R,
    Task,
    TaskFunction,
    check_function,
    check_name,
    name_of,
)
from podhatch.runnables.trigger import NO_OPTIONS, TriggerWorkflowOptions, metadata_of
from podhatch.runnables.validator import check_validator

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.manifest import Manifest
    from podhatch.client.request import RunRequest

MAX_NAME = 253


class Workflow(Generic[Input]):
    """A directed acyclic graph of tasks, each of which runs in a pod of its own.

    Attributes:
        name: As the author wrote it; the object's name in the cluster is made from it.
        tasks: In the order of their definition; the two below are not among them.
        failure_task: What runs when a task has failed; None if nothing does.
        success_task: What runs when all tasks succeeded; None if nothing does.
        settings: Its image, description and so on.
        target: The cluster and namespace it runs in.
    """

    def __init__(
        self,
        name: str,
        validator: type[Input] | None,
        options: WorkflowOptions,
        target: Target,
    ) -> None:
        if not 1 <= len(name) <= MAX_NAME:
            raise ValueError(f"workflow {name!r}: name: it needs 1 to {MAX_NAME} characters")
        subject = f"workflow {name!r}"
        check_validator(subject, validator)
        self.name = name
        self.settings = workflow_settings(subject, options)
        self.target = target
        self.tasks: list[Task[Input, Any]] = []
        self.failure_task: Task[Input, Any] | None = None
        self.success_task: Task[Input, Any] | None = None
        self._validator = validator
        self._manifest: Manifest | None = None

    @property
    def input_validator(self) -> type[Input]:
        """The declared type of the input; EmptyModel by default."""
        if self._validator is not None:
            return self._validator
        from podhatch.runnables.input import EmptyModel

        return cast("type[Input]", EmptyModel)

    def task(
        self,
        name: str | None = None,
        *,
        parents: Sequence[Task[Input, object]] = (),
        **options: Unpack[GraphTaskOptions],
    ) -> Callable[[TaskFunction[Input, R]], Task[Input, R]]:
        """Return a decorator that makes a function of `(input, Context)` a task of this workflow.

        Args:
            name: Name of the task, in lower case; by default the function's.
            parents: Tasks of this workflow that must succeed before this one starts.
            options: See `GraphTaskOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: An option cannot be, the name is taken or cannot name a task, or a parent is
                not a task of this workflow.
        """

        def decorate(fn: TaskFunction[Input, R]) -> Task[Input, R]:
            return self._add(fn, name, parents, options)

        return decorate

    def on_failure_task(
        self, name: str | None = None, **options: Unpack[HookOptions]
    ) -> Callable[[TaskFunction[Input, R]], Task[Input, R]]:
        """Return a decorator for the task that runs as soon as another has failed for good.

        It finds the errors in `ctx.task_run_errors`. The run has failed all the same. A run that is
        cancelled does not start it.

        Args:
            name: Its name, to which `-on-failure` is added; by default the function's.
            options: See `HookOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: The workflow has a failure task already, an option cannot be, or the name is
                taken or cannot name a task.
        """

        def decorate(fn: TaskFunction[Input, R]) -> Task[Input, R]:
            if self.failure_task is not None:
                raise ValueError(f"workflow {self.name!r}: it has {self.failure_task!r} already")
            self.failure_task = task = self._hook(fn, name, "-on-failure", options)
            return task

        return decorate

    def on_success_task(
        self, name: str | None = None, **options: Unpack[HookOptions]
    ) -> Callable[[TaskFunction[Input, R]], Task[Input, R]]:
        """Return a decorator for the task that runs last, if all others succeeded.

        Its parents are the tasks that are nobody's parents: it may ask for their outputs.

        Args:
            name: Its name, to which `-on-success` is added; by default the function's.
            options: See `HookOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: The workflow has a success task already, an option cannot be, or the name is
                taken or cannot name a task.
        """

        def decorate(fn: TaskFunction[Input, R]) -> Task[Input, R]:
            if self.success_task is not None:
                raise ValueError(f"workflow {self.name!r}: it has {self.success_task!r} already")
            self.success_task = task = self._hook(fn, name, "-on-success", options)
            return task

        return decorate

    @property
    def all_tasks(self) -> list[Task[Input, Any]]:
        """The tasks, and those that run after failure or success."""
        hooks = (self.failure_task, self.success_task)
        return [*self.tasks, *(hook for hook in hooks if hook is not None)]

    def _add(
        self,
        fn: TaskFunction[Input, R],
        name: str | None,
        parents: Sequence[Task[Input, object]],
        options: GraphTaskOptions,
    ) -> Task[Input, R]:
        name = name_of(f"workflow {self.name!r}", fn, name).lower()
        subject = self._new_subject(fn, name)
        for parent in parents:
            if not any(parent is task for task in self.tasks):
                raise ValueError(f"{subject}: parents: {parent!r} is not a task of this workflow")
        settings = task_settings(subject, options, self.settings.task_defaults)
        conditions = {
            "wait_for": settings.wait_for,
            "skip_if": settings.skip_if,
            "cancel_if": settings.cancel_if,
        }
        check_conditions(subject, parents, conditions)
        task = Task(fn, name, self, parents, settings)
        self.tasks.append(task)
        return self._added(task)

    def _hook(
        self, fn: TaskFunction[Input, R], name: str | None, suffix: str, options: HookOptions
    ) -> Task[Input, R]:
        name = name_of(f"workflow {self.name!r}", fn, name).lower() + suffix
        subject = self._new_subject(fn, name)
        defaults = self.settings.task_defaults
        settings = task_settings(subject, cast("GraphTaskOptions", options), defaults, HookOptions)
        return self._added(Task(fn, name, self, (), settings))

    def _new_subject(self, fn: TaskFunction[Input, R], name: str) -> str:
        """Return how errors name a task to be, once its name and its function can be."""
        subject = f"workflow {self.name!r}, task {name!r}"
        check_name(subject, name)
        check_function(subject, fn)
        if any(task.name == name for task in self.all_tasks):
            raise ValueError(f"{subject}: name: the workflow has a task of this name already")
        return subject

    def _added(self, task: Task[Input, R]) -> Task[Input, R]:
        self._manifest = None
        register_task(task)
        return task

    def to_yaml(self) -> str:
        """Return what a run would apply, as YAML for `kubectl apply --server-side`.

        Touches no cluster. (Plain `kubectl apply` writes all of an object into an annotation, for
        which a source tree may be too large.)

        Raises:
            ValueError: It has no task, no pod could find a task's code, or the source is too large.
        """
        return self._objects().to_yaml()

    def run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions = NO_OPTIONS,
        *,
        additional_metadata: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Run the workflow, wait for its end, and return each task's output as JSON by task name.

        Tasks that were skipped are left out.

        Args:
            input: What the workflow declares, or a dict that fits it; by default an EmptyModel.
            options: Metadata and so on.
            additional_metadata: Texts that travel with the run, over those of the options.

        Raises:
            FailedTaskRunExceptionGroup: The run failed; it holds an error for each failed task.
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
    ) -> dict[str, Any]:
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
    ) -> WorkflowRunRef:
        """Start the workflow and return a reference to the run, whose `result()` waits for it."""
        request = self._request(input, options, additional_metadata)
        from podhatch.client import portal, runs

        return WorkflowRunRef(self.target, portal.wait(runs.start(request)))

    async def aio_run_no_wait(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions = NO_OPTIONS,
        *,
        additional_metadata: Mapping[str, str] | None = None,
    ) -> WorkflowRunRef:
        """Do what `run_no_wait` does, in an event loop."""
        request = self._request(input, options, additional_metadata)
        from podhatch.client import portal, runs

        return WorkflowRunRef(self.target, await portal.aio_wait(runs.start(request)))

    def _request(
        self,
        value: "Input | JsonObject | None",
        options: TriggerWorkflowOptions,
        additional_metadata: Mapping[str, str] | None,
    ) -> "RunRequest":
        """Check all that can be checked before anything is created."""
        refuse_run()
        manifest = self._objects()
        from podhatch.client.request import RunRequest
        from podhatch.runnables.input import dump_input

        return RunRequest(
            target=self.target,
            manifest=manifest,
            input=dump_input(self.name, self.input_validator, value),
            metadata=metadata_of(self.name, options, additional_metadata),
        )

    def _objects(self) -> "Manifest":
        from podhatch.client import substitute

        if substitute.current() is not None:
            from podhatch.runnables.manifest import manifest_of

            return manifest_of(self, ship=False)
        if self._manifest is None:
            from podhatch.runnables.manifest import manifest_of

            self._manifest = manifest_of(self)
        return self._manifest

    def __repr__(self) -> str:
        return f"<Workflow {self.name}: {', '.join(task.name for task in self.tasks) or 'no task'}>"
