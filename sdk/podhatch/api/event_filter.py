"""The EventFilter object, and the same rule in a Workflow: which events start a run.

Every event of onEvents starts a run of a workflow without filters. With filters, only events of
their scopes do.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.condition import Expression
from podhatch.api.model import (
    PRESERVE_UNKNOWN,
    ApiObject,
    CheckedStatus,
    JsonObject,
    Rule,
    WireModel,
)
from podhatch.api.names import MAX_LABEL_VALUE

EventKeyPattern = Annotated[str, Field(min_length=1, max_length=253)]
"""A key of events, in which * matches any text."""


class FilterRule(WireModel):
    """A filter that passes events of one scope for which the expression is true."""

    expression: Expression
    """expression in CEL over input (the event's payload), payload (this filter's),
    additional_metadata, event_id and event_key."""
    scope: Annotated[str, Field(min_length=1, max_length=253)]
    """scope of the events to filter."""
    payload: Annotated[JsonObject, PRESERVE_UNKNOWN] = Field(default_factory=dict[str, object])
    """payload that the expression and the tasks of the run can read."""


class EventFilterSpec(FilterRule):
    """A filter and its workflow."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "self.workflow == oldSelf.workflow",
            "workflow of an EventFilter cannot change: create another EventFilter",
        )
    ]

    workflow: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_VALUE)]
    """workflow is the name of a Workflow object in the same namespace."""


class EventFilter(ApiObject):
    """A filter of the events that start runs of a workflow. Each match starts a run."""

    kind: Literal["EventFilter"] = "EventFilter"
    spec: EventFilterSpec
    """spec is the filter."""
    status: CheckedStatus | None = None
    """status is the result of the validation."""
