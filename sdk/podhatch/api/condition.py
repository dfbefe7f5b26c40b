"""What a task may wait for, or be skipped or cancelled by: sleeps, events, its parents' outputs.

A list of conditions is a conjunction of groups; a group (`or`) is a disjunction of conditions.
"""

from typing import Annotated, ClassVar

from pydantic import Field

from podhatch.api.model import Rule, WireModel
from podhatch.api.names import MAX_LABEL_VALUE

MAX_CONDITIONS = 16
MAX_EXPRESSION = 1024
RUN_START = "RunStart"
"""considerEventsSince: every event since the run was created counts."""

Expression = Annotated[str, Field(min_length=1, max_length=MAX_EXPRESSION)]


class EventCondition(WireModel):
    """Holds once a WorkflowEvent with this key was pushed."""

    key: Annotated[str, Field(min_length=1, max_length=253, description="key of the event.")]
    expression: Annotated[
        Expression | None,
        Field(description="expression in CEL over the event's payload, which is called input."),
    ] = None
    scope: Annotated[
        str | None,
        Field(max_length=253, description="scope: only events of this scope count."),
    ] = None
    from_people: Annotated[
        bool,
        Field(
            description="fromPeople: only events count that a person pushed, and no task or other "
            "program with a service account. Their pushedBy.user must say who."
        ),
    ] = False
    consider_events_since: Annotated[
        str | None,
        Field(
            max_length=64,
            pattern=r"^(RunStart|\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d+)?(Z|[+-]\d{2}:\d{2}))$",
            description="considerEventsSince is RunStart or a time: events from then on count. By "
            "default those that were pushed after all parents had ended.",
        ),
    ] = None


class ParentOutputCondition(WireModel):
    """Holds if the expression is true of a parent's output."""

    name: Annotated[
        str, Field(min_length=1, max_length=MAX_LABEL_VALUE, description="name of the parent.")
    ]
    expression: Annotated[
        Expression,
        Field(description="expression in CEL over the parent's output and the run's input."),
    ]


class LeafCondition(WireModel):
    """One condition: exactly one of sleepSeconds, event and parent."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "(has(self.sleepSeconds) ? 1 : 0) + (has(self.event) ? 1 : 0) + "
            "(has(self.parent) ? 1 : 0) == 1",
            "a condition is exactly one of sleepSeconds, event and parent",
        ),
    ]

    readable_data_key: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=253,
            description="readableDataKey names the condition, uniquely in its task.",
        ),
    ] = None
    sleep_seconds: Annotated[
        float | None,
        Field(
            gt=0,
            le=31_536_000,
            description="sleepSeconds holds so long after all parents have ended.",
        ),
    ] = None
    event: Annotated[EventCondition | None, Field(description="event that is waited for.")] = None
    parent: Annotated[
        ParentOutputCondition | None, Field(description="parent whose output decides.")
    ] = None

    @property
    def data_key(self) -> str:
        """The condition's name: as given, or made of what it waits for."""
        if self.readable_data_key:
            return self.readable_data_key
        if self.event:
            return self.event.key
        if self.parent:
            return f"parent:{self.parent.name}:{self.parent.expression}"
        return f"sleep:{self.sleep_seconds:g}s"


class Condition(LeafCondition):
    """A condition, or a group of which one is enough."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "(has(self.sleepSeconds) ? 1 : 0) + (has(self.event) ? 1 : 0) + "
            "(has(self.parent) ? 1 : 0) + (has(self.or) ? 1 : 0) == 1",
            "a condition is exactly one of sleepSeconds, event, parent and or",
        ),
    ]

    any_of: Annotated[
        list[LeafCondition] | None,
        Field(
            alias="or",
            min_length=1,
            max_length=MAX_CONDITIONS,
            description="or: it is enough that one of these holds.",
        ),
    ] = None

    @property
    def group(self) -> list[LeafCondition]:
        """The conditions of which one is enough."""
        return self.any_of or [self]
