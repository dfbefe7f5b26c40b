"""The WorkflowEvent object: an event that starts runs, or that runs wait for. It expires."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.limits import MAX_IDEMPOTENCY_KEY
from podhatch.api.model import (
    LIST_SET,
    PRESERVE_UNKNOWN,
    AdditionalMetadata,
    ApiObject,
    GivenTime,
    JsonObject,
    Rule,
    SchemaKeys,
    Timestamp,
    WireModel,
    list_map,
)
from podhatch.api.task import Priority

DEFAULT_EVENT_TTL_SECONDS = 86_400
MAX_EVENT_TTL_SECONDS = 30 * 86_400
"""Events with a longer TTL, stored by an earlier version, are deleted after this time too."""


NOT_PEOPLE = ("system:serviceaccount:", "system:node:", "system:anonymous")
"""Prefixes of user names that do not belong to a person."""


class EventSource(WireModel):
    """Who pushed an event. An admission policy rejects false claims."""

    user: Annotated[str, Field(max_length=1024)] = ""
    """user is the user name at the API server."""
    job: Annotated[str | None, Field(max_length=63)] = None
    """job of the task that pushed the event, if a task did."""

    @property
    def is_person(self) -> bool:
        """Whether a person pushed the event, not a task or another program with an account."""
        return bool(self.user) and self.job is None and not self.user.startswith(NOT_PEOPLE)


class WorkflowEventSpec(WireModel):
    """The event. It cannot change."""

    rules: ClassVar[list[Rule]] = [Rule("self == oldSelf", "an event cannot change")]

    key: Annotated[str, Field(min_length=1, max_length=253)]
    """key of the event."""
    payload: Annotated[JsonObject, PRESERVE_UNKNOWN] = Field(default_factory=dict[str, object])
    """payload of the event, a JSON object."""
    scope: Annotated[str | None, Field(max_length=253)] = None
    """scope of the event, which filters and conditions can match."""
    additional_metadata: AdditionalMetadata = Field(default_factory=dict[str, str])
    """additionalMetadata of the runs that it starts."""
    priority: Priority | None = None
    """priority 1 (low) to 3 (high) of the runs that it starts."""
    pushed_by: EventSource | None = None
    """pushedBy is who pushed the event, if known."""
    seen_at: GivenTime | None = None
    """seenAt is when it happened. Defaults to the time of creation."""
    ttl_seconds: Annotated[int, SchemaKeys({"maximum": MAX_EVENT_TTL_SECONDS}), Field(ge=1)] = (
        DEFAULT_EVENT_TTL_SECONDS
    )
    """ttlSeconds is the time from creation until the event is deleted; at most 30 days."""


class TriggeredRun(WireModel):
    """A run that an event started."""

    run: Annotated[str, Field(min_length=1, max_length=63)]
    """run is the name of the run."""
    workflow: Annotated[str, Field(min_length=1, max_length=63)]
    """workflow of the run."""
    start: Annotated[str | None, Field(max_length=63)] = None
    """start is the name that the run would have without an idempotency key."""

    @property
    def identity(self) -> str:
        """The same for what starts the run, whatever it is named."""
        return self.start or self.run


class KeyCollision(WireModel):
    """A run that an event did not start, because another run holds its idempotency key."""

    workflow: Annotated[str, Field(min_length=1, max_length=63)]
    """workflow of the run."""
    key: Annotated[str, Field(max_length=MAX_IDEMPOTENCY_KEY)]
    """key that the run would have."""
    held_by: Annotated[str, Field(max_length=63)]
    """heldBy is the name of the run that holds the key."""


class AnsweredWorkflow(WireModel):
    """The result of matching an event against a workflow."""

    workflow: Annotated[str, Field(min_length=1, max_length=63)]
    """workflow that was matched."""
    filters: Annotated[
        list[Annotated[str, Field(max_length=253)]], LIST_SET, Field(max_length=1000)
    ] = Field(default_factory=list[str])
    """filters lists its EventFilters that were evaluated for the event."""
    pending: Annotated[
        list[Annotated[str, Field(max_length=63)]], LIST_SET, Field(max_length=1000)
    ] = Field(default_factory=list[str])
    """pending lists its runs that could not be created, or not be decided, yet."""


class WorkflowEventStatus(WireModel):
    """The result of handling an event."""

    handled_at: Timestamp | None = None
    """handledAt is when the last run of the event was created."""
    triggered_runs: Annotated[list[TriggeredRun], list_map("run"), Field(max_length=1000)] = Field(
        default_factory=list[TriggeredRun]
    )
    """triggeredRuns lists the runs that the event started."""
    collisions: list[KeyCollision] = Field(default_factory=list[KeyCollision], max_length=1000)
    """collisions lists the runs that the event did not start, because other runs hold their
    idempotency keys."""
    answered: Annotated[list[AnsweredWorkflow], list_map("workflow"), Field(max_length=1000)] = (
        Field(default_factory=list[AnsweredWorkflow])
    )
    """answered lists the workflows that were matched, until the event is handled. Later changes of
    their filters apply to later events."""
    first_version: Annotated[str | None, Field(max_length=64)] = None
    """firstVersion is the first resourceVersion of the event. Objects with a lower one are older
    than the event."""
    message: Annotated[str | None, Field(max_length=2048)] = None
    """message explains which filter could not be evaluated or which run could not be created, and
    why."""


class WorkflowEvent(ApiObject):
    """A user event. It starts runs in its namespace, and satisfies conditions of active runs."""

    kind: Literal["WorkflowEvent"] = "WorkflowEvent"
    spec: WorkflowEventSpec
    """spec is the event."""
    status: WorkflowEventStatus | None = None
    """status is the result of handling the event."""
