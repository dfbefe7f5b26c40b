"""The WorkflowEvent object: something happened that runs wait for. It expires by itself."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.model import ApiObject, JsonObject, PreserveUnknown, Rule, Timestamp, WireModel

DEFAULT_EVENT_TTL_SECONDS = 86_400


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
    seen_at: Annotated[
        Timestamp | None,
        Field(description="seenAt is when it happened; by default when the object was created."),
    ] = None
    ttl_seconds: Annotated[
        int,
        Field(
            ge=1,
            le=31_536_000,
            description="ttlSeconds after its creation, the event is deleted.",
        ),
    ] = DEFAULT_EVENT_TTL_SECONDS


class WorkflowEvent(ApiObject):
    """A user event: it satisfies waits of runs in its namespace."""

    kind: Literal["WorkflowEvent"] = "WorkflowEvent"
    spec: Annotated[WorkflowEventSpec, Field(description="spec is what happened.")]
