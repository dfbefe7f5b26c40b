"""Base of the wire models, and the marks from which the CRDs take what types cannot say.

Models are frozen: reading an object and deciding about it never changes it.
"""

from abc import ABC, abstractmethod
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, PlainSerializer
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from podhatch.api.labels import API_VERSION

JsonObject: TypeAlias = dict[str, Any]
"""An object as it crosses the border to the API server: the one place where values have no type."""

UNREADABLE = "podhatch.dev/unreadable"
"""In an object that was too large to be held, beside its metadata: why the rest is not there."""


@dataclass(frozen=True)
class Rule:
    """A CEL rule the API server checks; `message` tells the user what to do."""

    rule: str
    message: str


class Mark(ABC):
    """What a field's schema says beyond its type. Stands in the field's Annotated."""

    @abstractmethod
    def extensions(self) -> JsonObject:
        """Return the keys to add to the field's schema."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonObject:
        return {**handler(schema), **self.extensions()}


@dataclass(frozen=True)
class ListMap(Mark):
    """The list is a map: entries are told apart by this field."""

    key: str

    def extensions(self) -> JsonObject:
        """Return the list type and its key."""
        return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [self.key]}


@dataclass(frozen=True)
class ListSet(Mark):
    """The list holds no value twice."""

    def extensions(self) -> JsonObject:
        """Return the list type."""
        return {"x-kubernetes-list-type": "set"}


@dataclass(frozen=True)
class PreserveUnknown(Mark):
    """Any JSON object may stand here."""

    def extensions(self) -> JsonObject:
        """Return the key that keeps the API server from pruning."""
        return {"x-kubernetes-preserve-unknown-fields": True}


@dataclass(frozen=True)
class AtMost(Mark):
    """The API server takes no higher number; one that was stored before can still be read."""

    maximum: int

    def extensions(self) -> JsonObject:
        """Return the bound."""
        return {"maximum": self.maximum}


@dataclass(frozen=True)
class Readable(Mark):
    """A time that each of our programs can read and reckon with: from 1970 to 2999.

    The API server's own check of a `date-time` lets through what Python's datetime cannot hold.
    """

    def extensions(self) -> JsonObject:
        """Return the pattern."""
        zone = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
        date, clock = r"(19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}", r"[0-9]{2}:[0-9]{2}:[0-5][0-9]"
        return {"pattern": rf"^{date}T{clock}(\.[0-9]{{1,9}})?{zone}$"}


class WireModel(BaseModel):
    """A part of an object as the API server holds it: camelCase, unknown fields ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )

    rules: ClassVar[list[Rule]] = []
    """What the API server checks of every object of this class."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonObject:
        reference = handler(schema)
        if cls.rules:
            rules = [asdict(rule) for rule in cls.rules]
            handler.resolve_ref_schema(reference)["x-kubernetes-validations"] = rules
        return reference

    def to_wire(self) -> JsonObject:
        """Return the JSON object for the API server, without absent and default fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


def format_time(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, as the API server's MicroTime."""
    in_utc = moment.astimezone(UTC).replace(tzinfo=None)
    return in_utc.isoformat(timespec="microseconds") + "Z"


def _format_seconds(moment: datetime) -> str:
    """Return RFC 3339 in UTC to the second, as the API server's Time."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


MAX_METADATA_ENTRIES = 64
AdditionalMetadata = Annotated[
    dict[str, Annotated[str, Field(max_length=4096)]], Field(max_length=MAX_METADATA_ENTRIES)
]
Timestamp = Annotated[datetime, PlainSerializer(format_time, when_used="json")]
WholeSecond = Annotated[datetime, PlainSerializer(_format_seconds, when_used="json")]
"""A time that nothing is ordered by: people read it, so it has no fractions."""
GivenTime = Annotated[Timestamp, Readable()]
"""One that somebody else than the operator writes."""


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


class ApiObject(WireModel):
    """A whole object. Its class is named as its kind."""

    api_version: Literal["podhatch.dev/v1alpha1"] = API_VERSION
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)

    def to_wire(self) -> JsonObject:
        """Return the manifest, with apiVersion and kind although they are defaults."""
        return {
            "apiVersion": self.api_version,
            "kind": type(self).__name__,
            **super().to_wire(),
        }


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
        Field(max_length=32768, description="message is for people: why, and what to do."),
    ] = ""
    last_transition_time: Annotated[
        WholeSecond, Field(description="lastTransitionTime is when the status changed last.")
    ]
    observed_generation: Annotated[
        int | None,
        Field(ge=0, description="observedGeneration is the generation this was said of."),
    ] = None


class CheckedStatus(WireModel):
    """What the operator says of an object that users write and that may be wrong."""

    observed_generation: Annotated[
        int | None,
        Field(ge=0, description="observedGeneration is the generation last checked."),
    ] = None
    conditions: Annotated[
        list[Condition],
        ListMap("type"),
        Field(
            max_length=16,
            description="conditions: Valid tells whether the object can do what it is there for.",
        ),
    ] = Field(default_factory=list[Condition])
