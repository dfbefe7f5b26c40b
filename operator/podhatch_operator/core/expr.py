"""CEL: is this an expression, and does it hold? The only place that knows how.

Compiled programs are kept, since one expression is asked for every run of its workflow. The library
takes its process down for values nested thousands deep: they are looked at before it sees them.
"""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any

from cel_expr_python import cel

from podhatch_operator.core.input_check import value_problem

Names = tuple[str, ...]
CONDITION: Names = ("input", "output")
"""What the conditions of tasks may ask."""
FILTER: Names = ("input", "payload", "additional_metadata", "event_id", "event_key")
"""What the filters of events may ask."""
_FREE = ("input", "output", "payload")
"""The users' own values; what the others may be is bounded by their schemas."""
_BUDGET = "Iteration budget exceeded"


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


class Facts:
    """What is known where expressions are asked: checked and converted once, however many ask."""

    def __init__(self, values: Mapping[str, Any], names: Names = CONDITION) -> None:
        self._values = dict(values)
        self._names = names
        problems = (value_problem(name, values[name]) for name in _FREE if name in values)
        self._problem = next(filter(None, problems), None)

    def plus(self, **values: object) -> "Facts":
        """Return these facts and more of them. Those that were checked are not checked again."""
        more = Facts(values, self._names)
        more._problem = self._problem or more._problem
        more._values = {**self._values, **values}
        return more

    def holds(self, expression: str) -> bool:
        """Return whether the expression is true of these facts.

        Raises:
            ExpressionError: it does not compile, a key is missing, the answer is no truth value,
                or the facts or the work are too much.
        """
        program = _compile(expression, self._names)
        if self._problem:
            raise ExpressionError(f"{expression!r} cannot be asked: {self._problem}")
        try:
            answer = program.eval(self._activation)
            kind, value = answer.type(), answer.value()
        except RuntimeError as error:
            raise ExpressionError(f"{expression!r} failed: {_readable(str(error))}") from None
        if kind == cel.Type.BOOL:
            return bool(value)
        if kind == cel.Type.ERROR:
            raise ExpressionError(f"{expression!r} failed: {_readable(str(value))}")
        raise ExpressionError(f"{expression!r} is neither true nor false: it gives {value!r}")

    @cached_property
    def _activation(self) -> cel.Activation:
        return _environment(self._names).Activation(data=self._values)


def _readable(message: str) -> str:
    """Take the library's codes off, and its drawing of the position."""
    first = message.splitlines()[0]
    if _BUDGET in first:
        return f"{_BUDGET}: it may look at 9,999 elements in all"
    for prefix in ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "UNKNOWN: ", "ERROR: "):
        first = first.removeprefix(prefix)
    return first.removeprefix("<input>:").removesuffix(" (in container '')")
