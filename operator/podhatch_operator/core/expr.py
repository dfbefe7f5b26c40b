"""CEL, behind two functions: is this an expression, and is it true? The only place that knows how.

Compiled programs are kept, since one expression is asked for every run of its workflow.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

Names = tuple[str, ...]
CONDITION: Names = ("input", "output")
"""What the conditions of tasks may ask."""
FILTER: Names = ("input", "payload", "additional_metadata", "event_id", "event_key")
"""What the filters of events may ask."""


class ExpressionError(Exception):
    """The expression cannot be evaluated; the message holds it, and what is wrong where."""


@lru_cache(maxsize=2)
def _environment(names: Names) -> cel.Env:
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))


@lru_cache(maxsize=4096)
def _compile(expression: str, names: Names) -> cel.Expression:
    try:
        return _environment(names).compile(expression)
    except RuntimeError as error:
        raise ExpressionError(f"{expression!r} is not CEL: {_readable(str(error))}") from None


def expression_problem(expression: str, names: Names = CONDITION) -> str | None:
    """Say why this is not an expression over these variables, or return None."""
    try:
        _compile(expression, names)
    except ExpressionError as error:
        return str(error)
    return None


def is_true(expression: str, variables: Mapping[str, Any], names: Names = CONDITION) -> bool:
    """Return whether the expression holds for these variables.

    Raises:
        ExpressionError: it does not compile, a key is missing, or the answer is no truth value.
    """
    answer = _compile(expression, names).eval(data=dict(variables))
    if answer.type() == cel.Type.BOOL:
        return bool(answer.value())
    if answer.type() == cel.Type.ERROR:
        raise ExpressionError(f"{expression!r} failed: {_readable(str(answer.value()))}")
    raise ExpressionError(f"{expression!r} is neither true nor false: it gives {answer.value()!r}")


def _readable(message: str) -> str:
    """Take the library's codes off, and its drawing of the position."""
    first = message.splitlines()[0]
    for prefix in ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "UNKNOWN: ", "ERROR: "):
        first = first.removeprefix(prefix)
    return first.removeprefix("<input>:").removesuffix(" (in container '')")
