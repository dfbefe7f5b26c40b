"""One task of a workflow, as the decorators leave it behind. The runner calls its `fn`.

Users hold it to name parents and to read outputs: `parents=[charge]`, `ctx.task_output(charge)`.
"""

import inspect
import re
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from types import SimpleNamespace
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Never,
    NoReturn,
    TypeAlias,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

from podhatch.api.names import TASK_NAME_PATTERN
from podhatch.definitions.mock import Input, Mockable, R_co
from podhatch.definitions.options.task_options import TaskSettings
from podhatch.task.dependencies import check_dependencies, parameters_of

if TYPE_CHECKING:
    from podhatch.task import Context
    from podhatch.task.durable_context import DurableContext
    from podhatch.task.handle import WorkflowHandle

R = TypeVar("R")

TaskFunction: TypeAlias = (
    Callable[Concatenate[Input, "Context", ...], Awaitable[R]]
    | Callable[Concatenate[Input, "Context", ...], R]
)
"""What a task's decorator takes: a function, sync or async, of the input and a Context; what comes
after them has `Depends`."""

DurableTaskFunction: TypeAlias = (
    Callable[Concatenate[Input, "DurableContext", ...], Awaitable[R]]
    | Callable[Concatenate[Input, "DurableContext", ...], R]
)
"""The same of a durable task, whose context is a DurableContext."""

AnyTaskFunction: TypeAlias = TaskFunction[Input, R] | DurableTaskFunction[Input, R]


class Task(Mockable[Input, R_co], Generic[Input, R_co]):
    """A function that runs in a pod of its own.

    Attributes:
        fn: The user's function.
        name: Name of the task, unique in its workflow.
        workflow: The workflow it belongs to.
        parents: Tasks that must succeed before this one starts.
        settings: Its timeouts, labels and so on.
    """

    def __init__(
        self,
        fn: "AnyTaskFunction[Input, R_co]",
        name: str,
        workflow: "WorkflowHandle",
        parents: "Sequence[Task[Input, object]]",
        settings: TaskSettings,
        *,
        returns: type[R_co] | None = None,
    ) -> None:
        self.fn = fn
        self._returns = returns
        self.name = name
        self.workflow = workflow
        self.parents = list(dict.fromkeys(parents))
        self.settings = settings

    @property
    def _mocked(self) -> "Task[Input, R_co]":
        return self

    @property
    def subject(self) -> str:
        """How errors name this task."""
        return f"workflow {self.workflow.name!r}, task {self.name!r}"

    @property
    def retries(self) -> int:
        """How often it is tried again after a failure of its own."""
        return self.settings.retries

    @property
    def is_durable(self) -> bool:
        """Whether its function takes a DurableContext, and continues from a log."""
        return self.settings.durable is not None

    @property
    def is_async_function(self) -> bool:
        """Whether calling `fn` gives a coroutine."""
        return inspect.iscoroutinefunction(inspect.unwrap(self.fn))

    @property
    def output_validator(self) -> type[R_co] | None:
        """The declared return type; None when there is none, or it is Any.

        Found when it is asked for, so a type may be defined below the task.

        Raises:
            ValueError: The annotation cannot be read.
        """
        return self._returns or declared_return(self.subject, self.fn)

    def __repr__(self) -> str:
        return f"<Task {self.name} of workflow {self.workflow.name}>"


def declared_return(subject: str, fn: Callable[..., object]) -> Any:
    """Return the type a function declares to return; None when it says nothing of it.

    Raises:
        ValueError: The annotation cannot be read, as when only a type checker sees a name in it.
    """
    plain = inspect.unwrap(fn)
    annotations = getattr(plain, "__annotations__", {})
    if "return" not in annotations:
        return None
    written = annotations["return"]
    annotation = SimpleNamespace(__annotations__={"return": written})
    names = getattr(plain, "__globals__", {})
    try:
        declared = get_type_hints(annotation, names, include_extras=True)["return"]
    except Exception as error:  # it may be any text
        raise ValueError(
            f"{subject}: its return type {written!r} cannot be read: {error}. Define or import it "
            "at the top level of the module (not in a function, nor under TYPE_CHECKING), or "
            "declare Any, for plain JSON"
        ) from None
    if get_origin(declared) in (Awaitable, Coroutine):  # of a function that is not `async def`
        declared = get_args(declared)[-1]
    return None if declared in (Any, object, Never, NoReturn) else declared


def check_function(subject: str, fn: Callable[..., object]) -> None:
    """Raise ValueError for what cannot be called with input, context and dependencies."""
    if not inspect.isfunction(inspect.unwrap(fn)):
        raise ValueError(f"{subject}: {fn!r} is not a function")
    check_dependencies(subject, fn)
    try:
        inspect.signature(fn).bind(None, None, **parameters_of(fn).dependencies)
    except TypeError as error:
        raise ValueError(f"{subject}: the function must take (input, ctx): {error}") from None


def check_parentheses(decorator: str, name: object) -> None:
    """Raise TypeError for a function in the place of a name: the parentheses were forgotten."""
    if callable(name):
        raise TypeError(f"write the decorator with parentheses: @{decorator}()")


def name_of(subject: str, fn: Callable[..., object], name: object) -> str:
    """Return the name that was passed, or else the function's; raise ValueError without either."""
    name = name if name is not None else getattr(fn, "__name__", None)
    if not isinstance(name, str):
        raise ValueError(
            f"{subject}: name: expected a string, got {name!r}; pass name= if it is not a function"
        )
    return name


def is_task_name(name: str) -> bool:
    """Tell whether a label's value could hold the name."""
    return re.fullmatch(TASK_NAME_PATTERN, name) is not None


def check_name(subject: str, name: str) -> None:
    """Raise ValueError for a name that the value of a label could not hold."""
    if not is_task_name(name):
        raise ValueError(
            f"{subject}: name: {name!r} cannot name a task; pass name= with at most 63 letters, "
            "digits, '-', '_' or '.', a letter or digit at both ends"
        )
