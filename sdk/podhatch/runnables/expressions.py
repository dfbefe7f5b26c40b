"""Says whether a text is CEL, where the library that knows is installed. Used before publishing.

Without it the operator says so in the workflow's `Valid` condition.
"""

from functools import lru_cache
from typing import TYPE_CHECKING, Any

from podhatch.runnables.conditions import ParentCondition, UserEventCondition, leaves

if TYPE_CHECKING:
    from cel_expr_python import cel

    from podhatch.runnables.task import Task


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


def expression_problem(expression: str) -> str | None:
    """Say why this is not CEL over `input` and `output`; None if it is, or nobody knows."""
    environment = _environment()
    if environment is None:
        return None
    try:
        environment.compile(expression)
    except RuntimeError as error:
        first = str(error).splitlines()[0]
        reason = first.removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: <input>:")
        return f"{expression!r} is not CEL: {reason}"
    return None


@lru_cache(maxsize=1)
def _environment() -> "cel.Env | None":
    try:
        from cel_expr_python import cel
    except ImportError:
        return None
    return cel.NewEnv(variables={"input": cel.Type.DYN, "output": cel.Type.DYN})
