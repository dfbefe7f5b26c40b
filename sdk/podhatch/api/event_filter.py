"""The EventFilter object, and the same rule inside a Workflow: which events start a run.

A workflow without any filter takes every event of its onEvents; one with filters takes only those
of their scopes.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.condition import Expression
from podhatch.api.model import (
    ApiObject,
    CheckedStatus,
    JsonObject,
    PreserveUnknown,
    Rule,
    WireModel,
)
from podhatch.api.names import MAX_LABEL_VALUE

EventKeyPattern = Annotated[str, Field(min_length=1, max_length=253)]
"""A key of events, in which * stands for any text."""


class FilterRule(WireModel):
    """Lets those events of one scope through for which the expression is true."""

    expression: Annotated[
        Expression,
        Field(
            description="expression in CEL over input (the event's payload), payload (this "
            "filter's), additional_metadata, event_id and event_key."
        ),
    ]
    scope: Annotated[
        str, Field(min_length=1, max_length=253, description="scope of the events it is asked for.")
    ]
    payload: Annotated[
        JsonObject,
        PreserveUnknown(),
        Field(description="payload that the expression may ask, and the run's tasks may read."),
    ] = Field(default_factory=dict[str, object])


class EventFilterSpec(FilterRule):
    """A filter, and the workflow it belongs to."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "self.workflow == oldSelf.workflow",
            "workflow of an EventFilter cannot change: create another one",
        )
    ]

    workflow: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_LABEL_VALUE,
            description="workflow: name of a Workflow object in the same namespace.",
        ),
    ]


class EventFilter(ApiObject):
    """Which events start a run of a workflow: one run for each filter that lets an event in."""

    kind: Literal["EventFilter"] = "EventFilter"
    spec: Annotated[EventFilterSpec, Field(description="spec is the filter.")]
    status: Annotated[
        CheckedStatus | None,
        Field(description="status is what the operator says of the filter."),
    ] = None
