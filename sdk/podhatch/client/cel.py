"""`hatchet.cel`: evaluates a filter's expression as the operator does, within the same limits.

Needs the libraries of `podhatch[local]`.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass

from podhatch.client.twins import async_twin, blocking, in_background
from podhatch.core.expressions.cel import ExpressionError, FilterVariables, Variables
from podhatch.core.expressions.evaluation import Questions
from podhatch.errors import PodhatchError
from podhatch.evaluation.client import WITHIN_LIMITS, is_installed
from podhatch.values.input import Payload, json_object
from podhatch.values.parsing import metadata_texts


@dataclass(frozen=True)
class CELSuccess:
    """The expression is true or false."""

    output: bool
    """The value of the expression."""
    status: str = "success"
    """"success"."""


@dataclass(frozen=True)
class CELFailure:
    """The expression is neither true nor false."""

    error: str
    """Why, in one line."""
    status: str = "failure"
    """"failure"."""


@dataclass(frozen=True)
class CELEvaluationResult:
    """The result of an expression."""

    result: CELSuccess | CELFailure


class CELClient:
    """Evaluates expressions on this machine, without a cluster."""

    @blocking
    async def debug(
        self,
        expression: str,
        input: Payload,
        additional_metadata: Mapping[str, object] | None = None,
        filter_payload: Payload | None = None,
        event_id: str = "",
        event_key: str = "",
    ) -> CELEvaluationResult:
        """Evaluate a filter's expression.

        Args:
            expression: CEL over input, payload, additional_metadata, event_id and event_key.
            input: The event's payload.
            additional_metadata: The event's.
            filter_payload: The filter's `payload`.
            event_id: The event's id.
            event_key: The event's key.

        Raises:
            PodhatchError: The library that evaluates CEL is not installed.
            ValueError: A payload is not a JSON object.
        """
        variables = FilterVariables(
            input=json_object("input", input),
            additional_metadata=metadata_texts("additional_metadata", additional_metadata),
            event_id=event_id,
            event_key=event_key,
            payload=json_object("filter_payload", filter_payload or {}),
        )
        evaluated = asyncio.to_thread(_evaluated, expression, variables)
        return CELEvaluationResult(await in_background(evaluated))

    aio_debug = async_twin(debug)


def _evaluated(expression: str, variables: FilterVariables) -> CELSuccess | CELFailure:
    if not is_installed():
        raise PodhatchError(
            "hatchet.cel needs the library that evaluates CEL: pip install 'podhatch[local]'"
        )
    try:
        known = Variables.of_filter(variables, Questions(WITHIN_LIMITS))
        return CELSuccess(known.satisfy(expression))
    except ExpressionError as error:
        return CELFailure(str(error))
