"""Says whether a text is CEL, where the library that knows is installed. Used before publishing.

Without it the operator says so in the workflow's `Valid` condition.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from podhatch.runnables.conditions import ParentCondition, UserEventCondition, leaves
from podhatch.runnables.default_filter import DefaultFilter

if TYPE_CHECKING:
    from cel_expr_python import cel

    from podhatch.runnables.task import Task

CONDITION = ("input", "output")
FILTER = ("input", "payload", "additional_metadata", "event_id", "event_key")
"""What an expression may name."""


def check_expressions(task: "Task[Any, Any]") -> None:
    """Refuse a condition of this task whose expression does not compile.

    Raises:
        ValueError: One does not; the text names its place, and where in it the fault is.
    """
    for option in ("wait_for", "skip_if", "cancel_if"):
        for place, leaf in leaves(getattr(task.settings, option)):
            asked = isinstance(leaf, (ParentCondition, UserEventCondition))
            if asked and leaf.expression and (problem := expression_problem(leaf.expression)):
                raise ValueError(f"{task.subject}: {option}{place}.expression: {problem}")


def check_filters(subject: str, filters: Sequence[DefaultFilter]) -> None:
    """Refuse a filter whose expression does not compile.

    Raises:
        ValueError: One does not; `subject` and its place are named.
    """
    for index, each in enumerate(filters):
        if problem := expression_problem(each.expression, FILTER):
            raise ValueError(f"{subject}: default_filters[{index}].expression: {problem}")


def expression_problem(expression: str, names: tuple[str, ...] = CONDITION) -> str | None:
    """Say why this is not CEL over these names; None if it is, or nobody knows."""
    environment = _environment(names)
    if environment is None:
        return None
    try:
        environment.compile(expression)
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        reason = first.removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: <input>:")
        return f"{expression!r} is not CEL: {reason}"
    return None


@lru_cache(maxsize=2)
def _environment(names: tuple[str, ...]) -> "cel.Env | None":
    try:
        from cel_expr_python import cel
    except ImportError:
        return None
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))
