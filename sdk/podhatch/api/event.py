"""The WorkflowEvent object: something happened that starts runs, or that runs wait for.

It expires by itself.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.model import (
    AdditionalMetadata,
    ApiObject,
    AtMost,
    GivenTime,
    JsonObject,
    ListMap,
    ListSet,
    PreserveUnknown,
    Rule,
    Timestamp,
    WireModel,
)
from podhatch.api.task import Priority

DEFAULT_EVENT_TTL_SECONDS = 86_400
MAX_EVENT_TTL_SECONDS = 30 * 86_400
"""An event that was stored when more was allowed is deleted after this time too."""


NOT_PEOPLE = ("system:serviceaccount:", "system:node:", "system:anonymous")
"""How the names of users begin that are no people."""


class EventSource(WireModel):
    """Who pushed an event. An admission policy refuses what is not so."""

    user: Annotated[
        str,
        Field(max_length=1024, description="user: name by which the API server knows the pusher."),
    ] = ""
    job: Annotated[
        str | None,
        Field(max_length=63, description="job of the task that pushed the event, if one did."),
    ] = None

    @property
    def is_person(self) -> bool:
        """Whether a person pushed it: neither a task nor another program with an account."""
        return bool(self.user) and self.job is None and not self.user.startswith(NOT_PEOPLE)


class WorkflowEventSpec(WireModel):
    """What happened. It cannot change."""

    rules: ClassVar[list[Rule]] = [Rule("self == oldSelf", "an event cannot change")]

    key: Annotated[str, Field(min_length=1, max_length=253, description="key of the event.")]
    payload: Annotated[
        JsonObject,
        PreserveUnknown(),
        Field(description="payload of the event, an object."),
    ] = Field(default_factory=dict[str, object])
    scope: Annotated[
        str | None,
        Field(max_length=253, description="scope that waits may name."),
    ] = None
    additional_metadata: Annotated[
        AdditionalMetadata,
        Field(
            description="additionalMetadata goes into the metadata of the runs the event starts."
        ),
    ] = Field(default_factory=dict[str, str])
    priority: Annotated[
        Priority | None,
        Field(description="priority 1 (low) to 3 (high) of the runs the event starts."),
    ] = None
    pushed_by: Annotated[
        EventSource | None,
        Field(description="pushedBy is who pushed the event; absent when that is not known."),
    ] = None
    seen_at: Annotated[
        GivenTime | None,
        Field(description="seenAt is when it happened; by default when the object was created."),
    ] = None
    ttl_seconds: Annotated[
        int,
        AtMost(MAX_EVENT_TTL_SECONDS),
        Field(
            ge=1,
            description="ttlSeconds after its creation, the event is deleted; at most 30 days.",
        ),
    ] = DEFAULT_EVENT_TTL_SECONDS


class TriggeredRun(WireModel):
    """A run that an event started."""

    run: Annotated[str, Field(min_length=1, max_length=63, description="run: its name.")]
    workflow: Annotated[
        str, Field(min_length=1, max_length=63, description="workflow it is a run of.")
    ]


class AnsweredWorkflow(WireModel):
    """A workflow that was asked whether an event starts runs of it: its answer stays."""

    workflow: Annotated[
        str, Field(min_length=1, max_length=63, description="workflow that was asked.")
    ]
    filters: Annotated[
        list[Annotated[str, Field(max_length=253)]],
        ListSet(),
        Field(
            max_length=1000,
            description="filters: its EventFilters that have let the event in or kept it out.",
        ),
    ] = Field(default_factory=list[str])
    pending: Annotated[
        list[Annotated[str, Field(max_length=63)]],
        ListSet(),
        Field(
            max_length=1000,
            description="pending: its runs that could not be made yet, or not be asked about.",
        ),
    ] = Field(default_factory=list[str])


class WorkflowEventStatus(WireModel):
    """What the operator made of an event."""

    handled_at: Annotated[
        Timestamp | None,
        Field(description="handledAt is when every run that the event starts was made."),
    ] = None
    triggered_runs: Annotated[
        list[TriggeredRun],
        ListMap("run"),
        Field(max_length=1000, description="triggeredRuns: the runs that the event started."),
    ] = Field(default_factory=list[TriggeredRun])
    answered: Annotated[
        list[AnsweredWorkflow],
        ListMap("workflow"),
        Field(
            max_length=1000,
            description="answered: the workflows that were asked, until the event is handled. "
            "Changes of their filters count for later events.",
        ),
    ] = Field(default_factory=list[AnsweredWorkflow])
    first_version: Annotated[
        str | None,
        Field(
            max_length=64,
            description="firstVersion: resourceVersion that the event had before it was answered. "
            "What has a lower one is older than the event.",
        ),
    ] = None
    message: Annotated[
        str | None,
        Field(
            max_length=2048,
            description="message: which filter could not be asked or which run not be made, "
            "and why.",
        ),
    ] = None


class WorkflowEvent(ApiObject):
    """A user event: it starts runs in its namespace, and satisfies waits of others."""

    kind: Literal["WorkflowEvent"] = "WorkflowEvent"
    spec: Annotated[WorkflowEventSpec, Field(description="spec is what happened.")]
    status: Annotated[
        WorkflowEventStatus | None,
        Field(description="status is what the operator made of the event."),
    ] = None
