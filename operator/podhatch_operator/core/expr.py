"""CEL, behind two functions: is this an expression, and is it true? The only place that knows how.

Compiled programs are kept, since one expression is asked for every run of its workflow.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

VARIABLES = ("input", "output")


class ExpressionError(Exception):
    """The expression cannot be evaluated; the message holds it, and what is wrong where."""


@lru_cache(maxsize=1)
def _environment() -> cel.Env:
    return cel.NewEnv(variables=dict.fromkeys(VARIABLES, cel.Type.DYN))


@lru_cache(maxsize=4096)
def _compile(expression: str) -> cel.Expression:
    try:
        return _environment().compile(expression)
    except RuntimeError as error:
        raise ExpressionError(f"{expression!r} is not CEL: {_readable(str(error))}") from None


def expression_problem(expression: str) -> str | None:
    """Say why this is not an expression over `input` and `output`, or return None."""
    try:
        _compile(expression)
    except ExpressionError as error:
        return str(error)
    return None


def is_true(expression: str, variables: Mapping[str, Any]) -> bool:
    """Return whether the expression holds for these variables.

    Raises:
        ExpressionError: it does not compile, a key is missing, or the answer is no truth value.
    """
    answer = _compile(expression).eval(data=dict(variables))
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
    return first.removeprefix("<input>:")
