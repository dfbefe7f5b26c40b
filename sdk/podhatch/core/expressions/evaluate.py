"""Evaluates expressions and schemas in this process: in a worker of the operator, or in the SDK.

The operator's own process must not import this module: what users write may take forever, and all
of the memory. Values are checked by the caller (`cel.Variables`): one that is nested thousands of
levels deep crashes the CEL library.
"""

import json
from functools import lru_cache
from typing import Any

from cel_expr_python import cel

from podhatch.api.concurrency import MAX_KEY
from podhatch.api.limits import MAX_IDEMPOTENCY_KEY
from podhatch.core.expressions.cel import VARIABLES, Subject
from podhatch.core.expressions.evaluation import Answer, Check, Evaluation

MAX_KEPT = 256
"""Compiled expressions."""
MAX_KEPT_CHARACTERS = 1024
"""Longer expressions are compiled each time: a compiled one takes some 40 bytes a character."""
_MAX_PROBLEM = 500
_BUDGET = "Iteration budget exceeded"
_CODES = ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "UNKNOWN: ", "ERROR: ", "<input>:")


class InProcess:
    """Knows every answer, since it evaluates at once."""

    def get(self, evaluation: Evaluation, /) -> Answer:
        """Evaluate."""
        return answer(evaluation.check, evaluation.code, evaluation.text)


IN_PROCESS = InProcess()


def answer(check: Check, code: str, values: bytes | None) -> Answer:
    """Evaluate an expression, or a schema.

    Args:
        check: whose expression it is, or what is asked about the schema.
        code: the expression, or the schema as JSON.
        values: JSON object of the values to evaluate it on; None only checks the code.

    Raises:
        MemoryError: the memory limit is reached.
    """
    if check not in ("Schema", "Input"):
        return _expression_answer(check, code, values)
    from podhatch.core.expressions.json_schema import schema_answer

    return schema_answer(code, values)


def _expression_answer(subject: Subject, expression: str, values: bytes | None) -> Answer:
    failure = "is not CEL"
    try:
        if values is None:
            _environment(subject).compile(expression)
            return Answer(holds=True)
        program = _program(subject, expression)
        failure = "failed"
        found = program.eval(_activation(subject, values))
        kind, value = found.type(), found.value()
        if kind == cel.Type.ERROR:
            return _problem(f"failed: {_readable(value)}")
        if subject == "IdempotencyKey":
            return _key_answer(value)
        if subject in ("RunLimit", "TaskLimit"):
            return _value_answer(kind, value)
        if kind == cel.Type.BOOL:
            return Answer(holds=bool(value))
        return _problem(f"is neither true nor false: it gives {value!r}")
    except MemoryError:
        raise
    except Exception as error:
        why = _readable(error)
        if "undeclared reference" in why:
            why += f"; the variables are {', '.join(VARIABLES[subject])}"
        return _problem(f"{failure}: {why}")


def _key_answer(value: object) -> Answer:
    if not isinstance(value, str):
        return _problem(f"gives {value!r}, which is not a string: convert it with string(...)")
    if not 1 <= len(value) <= MAX_IDEMPOTENCY_KEY:
        size = f"{len(value)} characters, and at most {MAX_IDEMPOTENCY_KEY} are allowed"
        return _problem(f"gives a string of {size}" if value else "gives an empty string")
    return Answer(value=value)


def _value_answer(kind: object, value: object) -> Answer:
    if kind == cel.Type.STRING:
        text = str(value)
        if len(text) > MAX_KEY:
            return _problem(
                f"gives a string of {len(text)} characters, and at most {MAX_KEY} are allowed"
            )
        return Answer(value=text)
    if kind in (cel.Type.INT, cel.Type.UINT, cel.Type.DOUBLE):
        return Answer(value=value if isinstance(value, float) else int(str(value)))
    return _problem(f"gives {value!r}, which is neither a string nor a number")


@lru_cache(maxsize=5)
def _environment(subject: Subject) -> cel.Env:
    return cel.NewEnv(variables=dict.fromkeys(VARIABLES[subject], cel.Type.DYN))


def _program(subject: Subject, expression: str) -> cel.Expression:
    if len(expression) <= MAX_KEPT_CHARACTERS:
        return _kept_program(subject, expression)
    return _environment(subject).compile(expression)


@lru_cache(maxsize=MAX_KEPT)
def _kept_program(subject: Subject, expression: str) -> cel.Expression:
    return _environment(subject).compile(expression)


@lru_cache(maxsize=1)
def _activation(subject: Subject, values: bytes) -> cel.Activation:
    """Return the variables for the library. Many expressions in a row have the same ones."""
    data: dict[str, Any] = json.loads(values.decode(errors="surrogatepass"))
    return _environment(subject).Activation(data=data)


def _problem(text: str) -> Answer:
    return Answer(problems=(text[:_MAX_PROBLEM],))


def _readable(error: object) -> str:
    """Return the first line of the library's message, without its codes."""
    lines = str(error).splitlines() or [type(error).__name__]
    if _BUDGET in lines[0]:
        return f"{_BUDGET}: it may look at 9,999 elements in all"
    first = lines[0]
    for code in _CODES:
        first = first.removeprefix(code)
    return first.removesuffix(" (in container '')")
