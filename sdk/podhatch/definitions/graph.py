"""What one `Hatchet` defines: workflows, which are graphs of tasks, and what they share.

Touches no cluster. A workflow that is defined again by the same code, as by a notebook cell that is
run twice or a module that is reloaded, takes the place of the one before.
"""

import inspect
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from types import CodeType
from typing import TYPE_CHECKING, Any, Generic, NamedTuple, Unpack, cast

from podhatch.client.target import Target
from podhatch.config import ClientConfig
from podhatch.definitions.options.task_options import (
    DurableTaskOptions,
    GraphTaskOptions,
    HookOptions,
    TaskSettings,
    durable_settings,
    task_settings,
)
from podhatch.definitions.options.workflow_options import (
    WorkflowOptions,
    check_validator,
    workflow_settings,
)
from podhatch.definitions.task import (
    AnyTaskFunction,
    DurableTaskFunction,
    Input,
    R,
    Task,
    TaskFunction,
    check_function,
    check_name,
    check_parentheses,
    name_of,
)
from podhatch.task.conditions import check_conditions
from podhatch.task.handle import register_stub, register_task
from podhatch.values.parsing import listed

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.manifest import Manifest, Publication


MAX_NAME = 253


class Origin(NamedTuple):
    """What defines a workflow.

    Attributes:
        file: Of the code.
        module: Its name; `__main__` for all cells of a notebook.
        qualified_name: Of the standalone task's function, or of the code around the definition.
        code: What called podhatch: a new object each time a cell or a module is run.
        line: Where in it.
    """

    file: str
    module: str
    qualified_name: str
    code: CodeType
    line: int

    def is_again(self, other: "Origin") -> bool:
        """Tell whether both are one definition that was run twice."""
        if self.code is other.code and self.line != other.line:
            return False
        near = self.file == other.file or self.module == other.module
        return near and self.qualified_name == other.qualified_name

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def origin_of_call(fn: Callable[..., object] | None = None) -> Origin:
    """Return where the caller was called; `fn` is the function that it decorates, if it does."""
    caller = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    code, line = caller.f_code, caller.f_lineno
    if fn is None:
        module = str(caller.f_globals.get("__name__"))
        return Origin(code.co_filename, module, code.co_qualname, code, line)
    plain = inspect.unwrap(fn)
    file = getattr(getattr(plain, "__code__", code), "co_filename", code.co_filename)
    module = str(getattr(plain, "__module__", None))
    return Origin(file, module, getattr(plain, "__qualname__", repr(plain)), code, line)


class Project:
    """The workflows of one `Hatchet`, and what they share.

    Attributes:
        target: The cluster and namespace they run in.
        config: As it was passed.
        workflows: By name, stubs left out; of one that is defined again, as by a notebook cell run
            twice, the later counts.
    """

    def __init__(self, target: Target, config: ClientConfig) -> None:
        self.target = target
        self.config = config
        self.workflows: dict[str, TaskGraph[Any]] = {}
        self._origins: dict[str, Origin] = {}
        self._flawed: dict[str, int] = {}
        """Workflows that cannot be published, and how many tasks they had when that was logged."""

    def add(self, workflow: "TaskGraph[Any]", origin: Origin) -> None:
        """Add a workflow, in the place of what the same code has defined before."""
        before = self._origins.get(workflow.name)
        if before is not None and not origin.is_again(before):
            raise ValueError(
                f"workflow {workflow.name!r}: name: this Hatchet has a workflow or task of this "
                f"name already, from {before}: pass another name"
            )
        self._origins[workflow.name] = origin
        self.workflows[workflow.name] = workflow

    def publication(self, needed: "list[TaskGraph[Any]]") -> "Publication":
        """Return what is to be in the cluster before these run: they, and all others.

        Inside a pod it is nothing: who started the run has published it all.
        """
        from podhatch.client import session_override
        from podhatch.client.manifest import NOTHING, Publication
        from podhatch.task import current_context

        task = current_context()
        if task is not None and task.run_uid and session_override.current() is None:
            return NOTHING
        defined = [each for each in needed if not each.is_stub]
        names = {each.name for each in defined}
        others = [
            each
            for each in self.workflows.values()
            if each.all_tasks
            and each.name not in names
            and any(each.target == workflow.target for workflow in defined)
        ]
        found = [self._tried(each) for each in others]
        return Publication(
            needed=tuple(each.manifest() for each in defined),
            others=tuple(each for each in found if each is not None),
        )

    def _tried(self, workflow: "TaskGraph[Any]") -> "Manifest | None":
        tasks = len(workflow.all_tasks)
        if self._flawed.get(workflow.name) == tasks:
            return None
        try:
            return workflow.manifest()
        except ValueError as error:
            import logging

            self._flawed[workflow.name] = tasks
            logging.getLogger("podhatch").warning(
                "a workflow beside the one that runs is not published: %s", error
            )
            return None


class TaskGraph(ABC, Generic[Input]):
    """Tasks, and the order between them; attributes are those of `Workflow`."""

    tasks: list[Task[Input, Any]]
    failure_task: Task[Input, Any] | None
    success_task: Task[Input, Any] | None

    def __init__(
        self,
        name: str,
        validator: type[Input] | None,
        options: WorkflowOptions,
        project: Project,
        *,
        origin: Origin | None,
        cron_input: "Input | JsonObject | None" = None,
    ) -> None:
        subject = f"workflow {name!r}"
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"{subject}: name: expected a string, got {name!r}")
        if not 1 <= len(name) <= MAX_NAME:
            raise ValueError(f"{subject}: name: it needs 1 to {MAX_NAME} characters")
        check_validator(subject, validator)
        self.name = name
        self.settings = workflow_settings(subject, options)
        self.project = project
        self.cron_input = cron_input
        self.is_stub = origin is None
        self.lifespan: Callable[..., object] | None = None
        self.tasks = []
        self.failure_task = None
        self.success_task = None
        self._validator = validator
        self._target = project.target
        self._manifest: Manifest | None = None
        if origin is None:
            register_stub(name)
        else:
            project.add(self, origin)

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
        from podhatch.values.input import EmptyModel

        return cast("type[Input]", EmptyModel)

    @abstractmethod
    def manifest(self) -> "Manifest":
        """Return what a run would apply."""

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
            ValueError: An option is not valid, the name is taken or cannot name a task, or a parent
                is not a task of this workflow.
        """
        check_parentheses("workflow.task", name)

        def decorate(fn: TaskFunction[Input, R]) -> Task[Input, R]:
            return self._add(fn, name, parents, partial(task_settings, options=options))

        return decorate

    def durable_task(
        self,
        name: str | None = None,
        *,
        parents: Sequence[Task[Input, object]] = (),
        **options: Unpack[DurableTaskOptions],
    ) -> Callable[[DurableTaskFunction[Input, R]], Task[Input, R]]:
        """Return a decorator that makes a function of `(input, DurableContext)` a durable task.

        It keeps a log of its calls on the context and of the child runs that it starts. In a long
        wait its pod ends; when the wait is over, a new pod calls the function again, in which
        calls that the log knows return at once what they returned before.

        Args:
            name: Name of the task, in lower case; by default the function's.
            parents: Tasks of this workflow that must succeed before this one starts.
            options: See `DurableTaskOptions`.

        Raises:
            TypeError: There is no such option, or the decorator has no parentheses.
            ValueError: An option is not valid, the name is taken or cannot name a task, or a parent
                is not a task of this workflow.
        """
        check_parentheses("workflow.durable_task", name)

        def decorate(fn: DurableTaskFunction[Input, R]) -> Task[Input, R]:
            return self._add(fn, name, parents, partial(durable_settings, options=options))

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
            ValueError: The workflow has a failure task already, an option is not valid, or the name
                is taken or cannot name a task.
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
            ValueError: The workflow has a success task already, an option is not valid, or the name
                is taken or cannot name a task.
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

    def _add(
        self,
        fn: AnyTaskFunction[Input, R],
        name: str | None,
        parents: Sequence[Task[Input, object]],
        settings_of: Callable[..., TaskSettings],
    ) -> Task[Input, R]:
        name = name_of(f"workflow {self.name!r}", fn, name).lower()
        subject = self._new_subject(fn, name)
        parents = listed(f"{subject}: parents", parents)
        for parent in parents:
            if not any(parent is task for task in self.tasks):
                raise ValueError(f"{subject}: parents: {parent!r} is not a task of this workflow")
        settings = settings_of(subject, defaults=self.settings.task_defaults)
        conditions = {
            name: getattr(settings, name) for name in ("wait_for", "skip_if", "cancel_if")
        }
        check_conditions(subject, parents, conditions)
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

    def _new_subject(self, fn: Callable[..., object], name: str) -> str:
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
