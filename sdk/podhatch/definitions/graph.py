"""The decorators that give a workflow its tasks, and the order between them."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Unpack, cast

from podhatch.definitions.definition import Definition
from podhatch.definitions.options.conditions import check_conditions
from podhatch.definitions.options.task_options import (
    GraphTaskOptions,
    HookOptions,
    TaskSettings,
    task_settings,
)
from podhatch.definitions.options.workflow_options import WorkflowSettings
from podhatch.definitions.task import (
    Input,
    R,
    Task,
    TaskFunction,
    check_function,
    check_name,
    check_parentheses,
    name_of,
)
from podhatch.task.handle import register_task
from podhatch.values.parsing import listed

if TYPE_CHECKING:
    from podhatch.definitions.standalone import Standalone


class TaskGraph(Definition[Input]):
    """Tasks, and the order between them: a directed acyclic graph.

    Attributes:
        tasks: In the order of their definition; the two below are not among them.
        failure_task: What runs when a task has failed; None if nothing does.
        success_task: What runs when all tasks succeeded; None if nothing does.
        settings: What the tasks have in common.
        is_stub: Whether the code is elsewhere.
    """

    tasks: list[Task[Input, Any]]
    failure_task: Task[Input, Any] | None
    success_task: Task[Input, Any] | None
    settings: WorkflowSettings
    is_stub: bool

    @abstractmethod
    def _changed(self) -> None:
        """Take notice of a new task."""

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

        Args:
            standalone: The task.

        Raises:
            TypeError: It is no task made by `@hatchet.task()`.
            ValueError: The name is taken, or the task is a stub.
        """
        from podhatch.definitions.standalone import Standalone

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
        return self._place(Task(copied.fn, copied.name, self.workflow, (), settings))

    def _add(
        self,
        fn: TaskFunction[Input, R],
        name: str | None,
        parents: Sequence[Task[Input, object]],
        options: GraphTaskOptions,
    ) -> Task[Input, R]:
        name = name_of(f"workflow {self.name!r}", fn, name).lower()
        subject = self._new_subject(fn, name)
        parents = listed(f"{subject}: parents", parents)
        for parent in parents:
            if not any(parent is task for task in self.tasks):
                raise ValueError(f"{subject}: parents: {parent!r} is not a task of this workflow")
        settings = task_settings(subject, options, self.settings.task_defaults)
        _check_conditions(subject, parents, settings)
        return self._place(Task(fn, name, self.workflow, parents, settings))

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
        return self._added(Task(fn, name, self.workflow, (), settings))

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
        self._changed()
        register_task(task)
        return task


def _check_conditions(
    subject: str, parents: Sequence[Task[Any, object]], settings: TaskSettings
) -> None:
    options = ("wait_for", "skip_if", "cancel_if")
    check_conditions(subject, parents, {option: getattr(settings, option) for option in options})
