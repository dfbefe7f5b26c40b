"""Base of the wire models, and the marks from which the CRDs take what types cannot say.

Models are frozen: reading an object and deciding about it never changes it.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer
from pydantic.alias_generators import to_camel

JsonObject: TypeAlias = dict[str, Any]
"""An object as it crosses the border to the API server: the one place where values have no type."""


class WireModel(BaseModel):
    """A part of an object as the API server holds it: camelCase, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )

    def to_wire(self) -> JsonObject:
        """Return the JSON object for the API server: camelCase, without absent and default fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


@dataclass(frozen=True)
class ListMap:
    """The list is a map: entries are told apart by this field."""

    key: str


@dataclass(frozen=True)
class ListSet:
    """The list holds no value twice."""


@dataclass(frozen=True)
class PreserveUnknown:
    """Any JSON object may stand here."""


@dataclass(frozen=True)
class Rule:
    """A CEL rule the API server checks; `message` tells the user what to do."""

    rule: str
    message: str


def format_time(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, as the API server's MicroTime."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


Timestamp = Annotated[datetime, PlainSerializer(format_time, when_used="json")]


class OwnerReference(WireModel):
    """Whose object this is: the garbage collector deletes it with its owner."""

    api_version: str
    kind: str
    name: str
    uid: str
    controller: bool = False


class ObjectMeta(WireModel):
    """The part of metadata that podhatch reads and writes."""

    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    creation_timestamp: Timestamp | None = None
    deletion_timestamp: Timestamp | None = None
    labels: dict[str, str] = Field(default_factory=dict[str, str])
    annotations: dict[str, str] = Field(default_factory=dict[str, str])
    owner_references: list[OwnerReference] = Field(default_factory=list[OwnerReference])


class Condition(WireModel):
    """One truth about an object, as metav1.Condition."""

    type: Annotated[
        str, Field(max_length=316, description="type names what the condition is about.")
    ]
    status: Annotated[str, Field(max_length=7, description="status is True, False or Unknown.")]
    reason: Annotated[
        str,
        Field(
            max_length=1024, description="reason is one word, for programs: why the status is so."
        ),
    ]
    message: Annotated[
        str,
        Field(
            default="", max_length=32768, description="message is for people: why, and what to do."
        ),
    ]
    last_transition_time: Annotated[
        Timestamp, Field(description="lastTransitionTime is when the status changed last.")
    ]
    observed_generation: Annotated[
        int | None,
        Field(
            default=None, ge=0, description="observedGeneration is the generation this was said of."
        ),
    ]
