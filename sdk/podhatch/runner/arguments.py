"""What the user's function is called with. Used by the attempt and by `run_local`."""

import dataclasses
import inspect
import typing
from collections.abc import Callable
from typing import TYPE_CHECKING

from podhatch.errors import InvalidDependencyError, InvalidRun
from podhatch.runner.assignment import Assignment
from podhatch.runner.loader import LoadedTask
from podhatch.task.context import Context
from podhatch.task.dependencies import parameters_of
from podhatch.task.host import Host
from podhatch.values.codec import validate_input

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject


@dataclasses.dataclass(frozen=True)
class Arguments:
    """Input and context; dependencies are not among them."""

    input: object
    context: Context
    given: int
    """How many of the two the function takes."""

    @property
    def positional(self) -> tuple[object, ...]:
        """What the function is called with."""
        return (self.input, self.context)[: self.given]


def arguments_for(task: LoadedTask, raw: "JsonObject", context: Context) -> Arguments:
    """Return input and context for the function and its dependencies.

    Raises:
        TaskFailure: The input does not fit what the task declares, or nothing fills a parameter.
    """
    try:
        parameters = parameters_of(task.function)
    except InvalidDependencyError as error:
        raise _failure(type(error).__name__, error) from None
    if not parameters.given and not parameters.dependencies:
        return Arguments(raw, context, 0)
    validator = task.input_validator or _annotated_input(task.function)
    try:
        return Arguments(validate_input(raw, validator), context, parameters.given)
    except InvalidRun as error:
        raise _failure("InputInvalid", error) from None


def context_of(assignment: Assignment, host: Host) -> Context:
    """Return the context of an attempt, whose wishes go to `host`."""
    return Context(
        workflow_run_id=assignment.run,
        task_run_id=assignment.task_run_id,
        workflow_name=assignment.workflow,
        task_name=assignment.task,
        attempt_number=assignment.attempt,
        retry_count=assignment.retry_count,
        max_attempts=assignment.max_attempts,
        additional_metadata=dict(assignment.metadata),
        input=assignment.input,
        trigger=assignment.trigger,
        workflow_version_id=assignment.revision,
        worker_id=assignment.pod,
        run_uid=assignment.run_uid,
        parents=assignment.parents,
        errors=assignment.errors,
        host=host,
    )


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


def _failure(kind: str, error: Exception) -> Exception:
    from podhatch.runner.failure import TaskFailure

    return TaskFailure(kind, str(error))
