"""CEL, where the library that knows it is installed: the one place of the SDK that asks it.

Without it the operator tells what is wrong: in the status of a workflow, or of an event.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cel_expr_python import cel

Names = tuple[str, ...]
CONDITION: Names = ("input", "output")
"""What the conditions of tasks may ask."""
FILTER: Names = ("input", "payload", "additional_metadata", "event_id", "event_key")
"""What the filters of events may ask."""

_BUDGET = "Iteration budget exceeded"
_CODES = ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "UNKNOWN: ", "ERROR: ", "<input>:")


@lru_cache(maxsize=2)
def environment(names: Names) -> "cel.Env | None":
    """Return where expressions over these names are compiled; None without the library."""
    try:
        from cel_expr_python import cel
    except ImportError:
        return None
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))


def expression_problem(expression: str, names: Names = CONDITION) -> str | None:
    """Say why this is not CEL over these names; None if it is, or nobody knows."""
    known = environment(names)
    if known is None:
        return None
    try:
        known.compile(expression)
    except RuntimeError as error:
        return f"{expression!r} is not CEL: {readable(error)}"
    return None


def readable(error: object) -> str:
    """Return what the library says without its codes and its drawing of the place."""
    first = str(error).splitlines()[0]
    if _BUDGET in first:
        return f"{_BUDGET}: it may look at 9,999 elements in all"
    for code in _CODES:
        first = first.removeprefix(code)
    return first
