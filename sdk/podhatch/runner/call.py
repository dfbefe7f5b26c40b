"""One call of the user's function: its arguments, and the lifespan and dependencies around it.

Made in a pod and by `run_local` in a thread: it knows neither process nor cluster.
"""

import inspect
import typing
from collections.abc import Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from podhatch.errors import InvalidDependencyError, InvalidRun
from podhatch.runner.loader import LoadedTask
from podhatch.runner.report import TaskFailure
from podhatch.task.context import Context
from podhatch.task.dependencies import parameters_of
from podhatch.values.codec import validate_input

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.runner.async_call import AsyncCall
    from podhatch.runner.attempt import CallObserver


class Arguments(NamedTuple):
    """Input and context; dependencies are not among them."""

    input: object
    context: Context
    given: int
    """How many of the two the function takes."""

    @property
    def positional(self) -> tuple[object, ...]:
        """What the function is called with."""
        return (self.input, self.context)[: self.given]


class Call:
    """Calls the function once."""

    def __init__(self, task: LoadedTask, arguments: Arguments, observer: "CallObserver") -> None:
        self._task = task
        self._arguments = arguments
        self._observer = observer
        self._async_call: AsyncCall | None = None

    def run(self) -> None:
        """Call it in this thread, and report its end to the observer.

        Raises:
            LifespanSetupError: The task was not started.
        """
        if self._task.lifespan or _is_awaited(self._task):
            self._run_in_loop(self._task, self._observer)
            return
        self._observer.begin()
        try:
            value = self._task.function(*self._arguments.positional)
        except BaseException as error:
            self._observer.end(None, error)
            return
        if inspect.iscoroutine(value):  # a decorator hid that the function is async
            returned = self._task._replace(function=partial(_return, value))
            self._run_in_loop(returned, _Begun(self._observer))
        else:
            self._observer.end(value, None)

    @property
    def cleans_up(self) -> bool:
        """Whether something may run after the end."""
        return self._async_call is not None

    @property
    def coroutine(self) -> "Coroutine[Any, Any, object] | None":
        """What is awaited; None while a function that is not async runs."""
        return self._async_call.coroutine if self._async_call else None

    def interrupt(self) -> bool:
        """Cancel what is awaited, from another thread; False while nothing is.

        A function that is not async, and the clean-up after the task, are not interrupted.
        """
        return self._async_call is not None and self._async_call.interrupt()

    def _run_in_loop(self, task: LoadedTask, observer: "CallObserver") -> None:
        from podhatch.runner.async_call import AsyncCall

        arguments = self._arguments
        self._async_call = AsyncCall(
            task, arguments.positional, arguments.input, arguments.context, observer
        )
        self._async_call.run()


class _Begun:
    """The observer of a task that has begun already."""

    def __init__(self, observer: "CallObserver") -> None:
        self.end = observer.end

    def begin(self) -> None:
        """Do nothing."""


def arguments_for(task: LoadedTask, raw: "JsonObject", context: Context) -> Arguments:
    """Return input and context for the function and its dependencies.

    Raises:
        TaskFailure: The input does not fit what the task declares, or nothing fills a parameter.
    """
    try:
        parameters = parameters_of(task.function)
    except InvalidDependencyError as error:
        raise TaskFailure(type(error).__name__, str(error)) from None
    if not parameters.given and not parameters.dependencies:
        return Arguments(raw, context, 0)
    validator = task.input_validator or _annotated_input(task.function)
    try:
        return Arguments(validate_input(raw, validator), context, parameters.given)
    except InvalidRun as error:
        raise TaskFailure("InputInvalid", str(error)) from None


def _annotated_input(function: Callable[..., object]) -> object:
    """Return the model a plain function asks for, or dict."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # annotations may be any text, and mean something to readers only
        return dict
    hint: object = hints.get(next(iter(inspect.signature(function).parameters)))
    is_model = hasattr(hint, "__dataclass_fields__") or hasattr(hint, "model_validate")
    return hint if is_model else dict


def _return(value: object, *_: object) -> object:
    return value


def _is_awaited(task: LoadedTask) -> bool:
    """Whether the function is async, or has dependencies, which may be."""
    is_async = inspect.iscoroutinefunction(inspect.unwrap(task.function))
    return is_async or bool(parameters_of(task.function).dependencies)
