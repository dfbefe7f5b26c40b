"""What the user's function is called with. Called by the attempt once the function is loaded."""

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING

from podhatch.context import Context
from podhatch.errors import InvalidRun
from podhatch.runner.loader import LoadedTask
from podhatch.serialization import validate_input

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def arguments_for(task: LoadedTask, raw: "JsonObject", context: Context) -> tuple[object, ...]:
    """Return as many of input and context as the function takes.

    Raises:
        TaskFailure: The input does not fit what the task declares.
    """
    count = _count(task.function)
    if count == 0:
        return ()
    validator = task.input_validator or _annotated_input(task.function)
    return (_validated(raw, validator), context)[:count]


def _count(function: Callable[..., object]) -> int:
    """Return how many positional arguments the function takes, two at most."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except ValueError:  # a function in C that does not tell
        return 2
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        return 2
    return min(2, sum(parameter.kind in _POSITIONAL for parameter in parameters))


def _annotated_input(function: Callable[..., object]) -> object:
    """Return the model a plain function asks for, or dict."""
    try:
        hints = typing.get_type_hints(function)
    except Exception:  # annotations may be any text, and mean something to readers only
        return dict
    first = next(iter(inspect.signature(function).parameters))
    hint = hints.get(first)
    is_model = dataclasses.is_dataclass(hint) or hasattr(hint, "model_validate")
    return hint if is_model else dict


def _validated(raw: "JsonObject", validator: object) -> object:
    try:
        return validate_input(raw, validator)
    except InvalidRun as error:
        from podhatch.runner.failure import TaskFailure

        raise TaskFailure("InputInvalid", str(error)) from None
