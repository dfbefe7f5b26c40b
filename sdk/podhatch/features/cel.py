"""`hatchet.cel`: tries an expression of a filter, as the operator would evaluate it.

Standard library only, until an expression is tried: that needs the extra `podhatch[local]`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podhatch.errors import PodhatchError
from podhatch.values.metadata import metadata_texts

if TYPE_CHECKING:
    from podhatch.client.json_object import Payload


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
        additional_metadata: Mapping[str, object] | None = None,
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
            "additional_metadata": metadata_texts("additional_metadata", additional_metadata),
            "event_id": event_id,
            "event_key": event_key,
        }
        return CELEvaluationResult(_evaluated(expression, variables))

    async def aio_debug(
        self,
        expression: str,
        input: "Payload",
        additional_metadata: Mapping[str, object] | None = None,
        filter_payload: "Payload | None" = None,
        event_id: str = "",
        event_key: str = "",
    ) -> CELEvaluationResult:
        """Do what `debug` does, in an event loop."""
        return self.debug(
            expression, input, additional_metadata, filter_payload, event_id, event_key
        )


def _evaluated(expression: str, variables: dict[str, Any]) -> CELSuccess | CELFailure:
    from podhatch.core.expressions.evaluate import IN_PROCESS
    from podhatch.core.expressions.evaluation import Questions
    from podhatch.core.expressions.expr import ExpressionError, Facts

    try:
        return CELSuccess(Facts(variables, Questions(IN_PROCESS), "Filter").holds(expression))
    except ExpressionError as error:
        return CELFailure(str(error))
    except ImportError:
        raise PodhatchError(
            "hatchet.cel needs a library that evaluates CEL: pip install 'podhatch[local]'"
        ) from None
