"""A workflow: tasks and the order between them.

Made by `Hatchet.workflow()`. Touches no cluster until a run method is called.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack, cast

from podhatch.config import ClientConfig
from podhatch.runnables.conditions import check_conditions
from podhatch.runnables.project import Project
from podhatch.runnables.references import WorkflowRunRef
from podhatch.runnables.registry import register_task
from podhatch.runnables.runnable import Runnable
from podhatch.runnables.settings import GraphTaskOptions, HookOptions, TaskSettings, task_settings
from podhatch.runnables.task import (
    Input,
    R,
    Task,
    TaskFunction,
    check_function,
    check_name,
    check_parentheses,
    name_of,
)
from podhatch.runnables.validator import check_validator
from podhatch.runnables.workflow_settings import WorkflowOptions, workflow_settings

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.manifest import Manifest
    from podhatch.client.target import Target
    from podhatch.runnables.standalone import Standalone

MAX_NAME = 253


class Workflow(Runnable[Input, dict[str, Any], WorkflowRunRef]):
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

    def __init__(
        self,
        name: str,
        validator: type[Input] | None,
        options: WorkflowOptions,
        project: Project,
        *,
        cron_input: "Input | JsonObject | None" = None,
        is_stub: bool = False,
    ) -> None:
        if not 1 <= len(name) <= MAX_NAME:
            raise ValueError(f"workflow {name!r}: name: it needs 1 to {MAX_NAME} characters")
        subject = f"workflow {name!r}"
        check_validator(subject, validator)
        self.name = name
        self.settings = workflow_settings(subject, options)
        self.project = project
        self.cron_input = cron_input
        self.is_stub = is_stub
        self.lifespan: Callable[..., object] | None = None
        self.tasks: list[Task[Input, Any]] = []
        self.failure_task: Task[Input, Any] | None = None
        self.success_task: Task[Input, Any] | None = None
        self._validator = validator
        self._target = project.target
        self._manifest: Manifest | None = None
        if not is_stub:
            project.workflows[name] = self

    @property
    def workflow(self) -> "Workflow[Input]":
        """The workflow itself."""
        return self

    @property
    def target(self) -> "Target":
        """The cluster and namespace it runs in."""
        return self._target

    @target.setter
    def target(self, target: "Target") -> None:
        self._target = target
        self._manifest = None

    @property
    def config(self) -> ClientConfig:
        """What its `Hatchet` was told."""
        return self.project.config

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
            TypeError: There is no such option, or the decorator has no parentheses.
            ValueError: An option cannot be, the name is taken or cannot name a task, or a parent is
                not a task of this workflow.
        """
        check_parentheses("workflow.task", name)

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
        check_parentheses("workflow.on_failure_task", name)

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
        check_parentheses("workflow.on_success_task", name)

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

    def add_task(self, standalone: "Standalone[Input, R]") -> Task[Input, R]:
        """Copy a standalone task into this workflow, with its options and image, and return it.

        Raises:
            TypeError: It is no task made by `@hatchet.task()`.
            ValueError: The name is taken, or the task is a stub.
        """
        from podhatch.runnables.standalone import Standalone

        if not isinstance(standalone, Standalone):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(
                f"workflow {self.name!r}: add_task: {standalone!r} is no task made by "
                "@hatchet.task()"
            )
        if standalone.workflow.is_stub:
            raise ValueError(f"workflow {self.name!r}: add_task: {standalone!r} is a stub")
        copied, own = standalone.task, standalone.workflow.settings
        self._new_subject(copied.fn, copied.name)
        settings = replace(
            copied.settings,
            image=copied.settings.image or own.image,
            pod=copied.settings.pod or own.pod,
        )
        return self._place(Task(copied.fn, copied.name, self, (), settings))

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
        _check_conditions(subject, parents, settings)
        return self._place(Task(fn, name, self, parents, settings))

    def _place(self, task: Task[Input, R]) -> Task[Input, R]:
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
        if self.is_stub:
            raise ValueError(f"{subject}: the workflow is a stub, whose code is elsewhere")
        check_name(subject, name)
        check_function(subject, fn)
        if any(task.name == name for task in self.all_tasks):
            raise ValueError(f"{subject}: name: the workflow has a task of this name already")
        return subject

    def _added(self, task: Task[Input, R]) -> Task[Input, R]:
        self._manifest = None
        register_task(task)
        return task

    def manifest(self) -> "Manifest":
        """Return what a run would apply. Touches no cluster.

        Raises:
            ValueError: It has no task, no pod could find a task's code, an expression is not CEL,
                the cron's input does not fit, or the source is too large.
        """
        from podhatch.client import substitute
        from podhatch.runnables.manifest import manifest_of

        if substitute.current() is not None:
            return manifest_of(self, ship=False)
        if self._manifest is None:
            self._manifest = manifest_of(self)
        return self._manifest

    def get_run_ref(self, run_id: "JsonObject | str") -> WorkflowRunRef:
        """Return a reference to a run of this, by its name or its object. Touches no cluster."""
        return WorkflowRunRef(self.target, run_id)

    def __repr__(self) -> str:
        return f"<Workflow {self.name}: {', '.join(task.name for task in self.tasks) or 'no task'}>"


def _check_conditions(
    subject: str, parents: Sequence[Task[Any, object]], settings: TaskSettings
) -> None:
    options = ("wait_for", "skip_if", "cancel_if")
    check_conditions(subject, parents, {option: getattr(settings, option) for option in options})
