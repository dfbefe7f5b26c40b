"""Evaluates CEL expressions, in this process: for workers of the operator, and outside of it.

A value nested thousands deep takes the process down: whoever asks has checked it.
"""

import json
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from podhatch.core.expressions.evaluation import Answer, Check

VARIABLES: dict[Check, tuple[str, ...]] = {
    "Condition": ("input", "output"),
    "Filter": ("input", "payload", "additional_metadata", "event_id", "event_key"),
}
"""What expressions may ask."""
MAX_KEPT = 256
"""Compiled expressions."""
MAX_KEPT_CHARACTERS = 1024
"""Longer expressions are compiled each time: a compiled one takes some 40 bytes a character."""
MAX_PROBLEM = 500
_BUDGET = "Iteration budget exceeded"
_CODES = ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "UNKNOWN: ", "ERROR: ", "<input>:")


def expression_answer(check: Check, expression: str, values: bytes | None) -> Answer:
    """Say whether an expression is valid or, of values, whether it is true.

    Args:
        check: whose variables the expression may ask.
        expression: the text.
        values: JSON object of the variables; None only compiles.
    """
    failure = "is not CEL"
    try:
        if values is None:
            _environment(check).compile(expression)
            return Answer(holds=True)
        program = _program(check, expression)
        failure = "failed"
        answer = program.eval(_activation(check, values))
        kind, value = answer.type(), answer.value()
        if kind == cel.Type.BOOL:
            return Answer(holds=bool(value))
        if kind == cel.Type.ERROR:
            return _problem(f"failed: {_readable(value)}")
        return _problem(f"is neither true nor false: it gives {value!r}")
    except MemoryError:
        raise
    except Exception as error:
        return _problem(f"{failure}: {_readable(error)}")


@lru_cache(maxsize=2)
def _environment(check: Check) -> cel.Env:
    return cel.NewEnv(variables=dict.fromkeys(VARIABLES[check], cel.Type.DYN))


def _program(check: Check, expression: str) -> cel.Expression:
    if len(expression) <= MAX_KEPT_CHARACTERS:
        return _kept_program(check, expression)
    return _environment(check).compile(expression)


@lru_cache(maxsize=MAX_KEPT)
def _kept_program(check: Check, expression: str) -> cel.Expression:
    return _environment(check).compile(expression)


@lru_cache(maxsize=1)
def _activation(check: Check, values: bytes) -> cel.Activation:
    """Many expressions are asked of the same values, one after the other."""
    data: dict[str, Any] = json.loads(values.decode(errors="surrogatepass"))
    return _environment(check).Activation(data=data)


def _problem(text: str) -> Answer:
    return Answer(problems=(text[:MAX_PROBLEM],))


def _readable(error: object) -> str:
    """Take the library's codes off, and its drawing of the position."""
    lines = str(error).splitlines() or [type(error).__name__]
    if _BUDGET in lines[0]:
        return f"{_BUDGET}: it may look at 9,999 elements in all"
    first = lines[0]
    for code in _CODES:
        first = first.removeprefix(code)
    return first.removesuffix(" (in container '')")
