"""Conditions of a task: sleeps, events, and expressions on its parents' outputs.

A list of conditions is a conjunction of groups; a group (`or`) is a disjunction of conditions.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from podhatch.api.limits import MAX_CONDITIONS, MAX_EXPRESSION, MAX_SECONDS
from podhatch.api.model import Rule, WireModel
from podhatch.api.names import MAX_LABEL_VALUE

RUN_START = "RunStart"
"""The value of considerEventsSince for all events since the run was created."""

Expression = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION)]


class EventCondition(WireModel):
    """A condition that holds once a WorkflowEvent with this key is pushed."""

    key: Annotated[str, Field(min_length=1, max_length=253)]
    """key of the event."""
    expression: Expression | None = None
    """expression in CEL over the event's payload, the variable input."""
    scope: Annotated[str | None, Field(max_length=253)] = None
    """scope of the event. By default events of any scope match."""
    from_people: bool = False
    """fromPeople matches only events that a person pushed, not a task or other program with a
    service account. The event must name the person in pushedBy.user."""
    consider_events_since: Annotated[
        str | None,
        Field(
            max_length=64,
            pattern=r"^(RunStart|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))$",
        ),
    ] = None
    """considerEventsSince is RunStart or a time; events from then on match. By default, events
    match that are pushed after all parents have ended."""


class ParentOutputCondition(WireModel):
    """A condition that holds if the expression is true for a parent's output."""

    name: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_VALUE)]
    """name of the parent."""
    expression: Expression
    """expression in CEL over the parent's output and the run's input."""


class LeafCondition(WireModel):
    """A condition: exactly one of sleepSeconds, event and parent."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "(has(self.sleepSeconds) ? 1 : 0) + (has(self.event) ? 1 : 0) + "
            "(has(self.parent) ? 1 : 0) == 1",
            "a condition needs exactly one of sleepSeconds, event and parent",
        ),
    ]

    readable_data_key: Annotated[str | None, Field(min_length=1, max_length=253)] = None
    """readableDataKey is the name of the condition, unique in its task."""
    sleep_seconds: Annotated[float | None, Field(gt=0, le=MAX_SECONDS)] = None
    """sleepSeconds is the time after the end of all parents at which the condition holds."""
    event: EventCondition | None = None
    """event to wait for."""
    parent: ParentOutputCondition | None = None
    """parent is an expression on a parent's output."""

    @property
    def data_key(self) -> str:
        """The name of the condition: the given one, or one derived from its content."""
        if self.readable_data_key:
            return self.readable_data_key
        if self.event:
            return self.event.key
        if self.parent:
            return f"parent:{self.parent.name}:{self.parent.expression}"
        return f"sleep:{self.sleep_seconds:g}s"


class Condition(LeafCondition):
    """A condition, or a group of alternatives."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "(has(self.sleepSeconds) ? 1 : 0) + (has(self.event) ? 1 : 0) + "
            "(has(self.parent) ? 1 : 0) + (has(self.or) ? 1 : 0) == 1",
            "a condition needs exactly one of sleepSeconds, event, parent and or",
        ),
    ]

    any_of: Annotated[
        list[LeafCondition] | None, Field(alias="or", min_length=1, max_length=MAX_CONDITIONS)
    ] = None
    """or lists alternatives; one of them must hold."""

    @property
    def group(self) -> list[LeafCondition]:
        """The alternatives, of which one must hold."""
        return self.any_of or [self]
