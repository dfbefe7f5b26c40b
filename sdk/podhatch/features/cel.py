"""`hatchet.cel`: tries an expression of a filter, as the operator would evaluate it.

Standard library only, until an expression is tried: that needs the extra `podhatch[local]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from podhatch.errors import PodhatchError

if TYPE_CHECKING:
    from cel_expr_python import cel

    from podhatch.client.json_object import Payload

_PREFIXES = ("INVALID_ARGUMENT: ", "NOT_FOUND: ", "UNKNOWN: ", "ERROR: ", "<input>:")


@dataclass(frozen=True)
class CELSuccess:
    """The expression is true or false.

    Attributes:
        output: Which of both.
        status: "success".
    """

    output: bool
    status: str = "success"


@dataclass(frozen=True)
class CELFailure:
    """The expression is neither.

    Attributes:
        error: Why, in one line.
        status: "failure".
    """

    error: str
    status: str = "failure"


@dataclass(frozen=True)
class CELEvaluationResult:
    """What became of an expression."""

    result: CELSuccess | CELFailure


class CELClient:
    """Evaluates expressions in this process; no cluster is asked."""

    def debug(
        self,
        expression: str,
        input: "Payload",
        additional_metadata: Mapping[str, str] | None = None,
        filter_payload: "Payload | None" = None,
        event_id: str = "",
        event_key: str = "",
    ) -> CELEvaluationResult:
        """Evaluate a filter's expression.

        Args:
            expression: CEL over input, payload, additional_metadata, event_id and event_key.
            input: Stands for the event's payload.
            additional_metadata: Stands for the event's.
            filter_payload: Stands for the filter's `payload`.
            event_id: Stands for the event's id.
            event_key: Stands for the event's key.

        Raises:
            PodhatchError: The library that evaluates CEL is not installed.
            ValueError: What stands for a payload is no JSON object.
        """
        from podhatch.client.json_object import json_object

        variables: dict[str, Any] = {
            "input": json_object("input", input),
            "payload": json_object("filter_payload", filter_payload or {}),
            "additional_metadata": dict(additional_metadata or {}),
            "event_id": event_id,
            "event_key": event_key,
        }
        return CELEvaluationResult(_evaluated(expression, variables))

    async def aio_debug(
        self,
        expression: str,
        input: "Payload",
        additional_metadata: Mapping[str, str] | None = None,
        filter_payload: "Payload | None" = None,
        event_id: str = "",
        event_key: str = "",
    ) -> CELEvaluationResult:
        """Do what `debug` does, in an event loop."""
        return self.debug(
            expression, input, additional_metadata, filter_payload, event_id, event_key
        )


def _evaluated(expression: str, variables: dict[str, Any]) -> CELSuccess | CELFailure:
    environment = _environment(tuple(variables))
    from cel_expr_python import cel

    try:
        answer = environment.compile(expression).eval(data=variables)
    except RuntimeError as error:
        return CELFailure(f"{expression!r} is not CEL: {_readable(str(error))}")
    if answer.type() == cel.Type.BOOL:
        return CELSuccess(bool(answer.value()))
    if answer.type() == cel.Type.ERROR:
        return CELFailure(f"{expression!r} failed: {_readable(str(answer.value()))}")
    return CELFailure(f"{expression!r} is neither true nor false: it gives {answer.value()!r}")


@lru_cache(maxsize=1)
def _environment(names: tuple[str, ...]) -> "cel.Env":
    try:
        from cel_expr_python import cel
    except ImportError:
        raise PodhatchError(
            "hatchet.cel needs a library that evaluates CEL: pip install 'podhatch[local]'"
        ) from None
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN))


def _readable(message: str) -> str:
    """Return the library's message without its codes and its drawing of the place."""
    first = message.splitlines()[0]
    for prefix in _PREFIXES:
        first = first.removeprefix(prefix)
    return first
