"""The base of the wire models, and marks for parts of a CRD schema that types cannot express.

Models are frozen: reading an object never changes it. The docstring below a field is its
description in the CRD, which `kubectl explain` shows.
"""

import ast
import inspect
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
)
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema

from podhatch.api.labels import API_VERSION
from podhatch.api.limits import MAX_EXPRESSION, MAX_METADATA_ENTRIES, MAX_METADATA_VALUE

JsonObject: TypeAlias = dict[str, Any]
"""An object as JSON, as the API server sends and receives it."""

UNREADABLE = "podhatch.dev/unreadable"
"""A key of an object that is too large to cache: why only its metadata is kept."""


@dataclass(frozen=True)
class Rule:
    """A CEL rule that the API server checks; `message` is its error message."""

    rule: str
    message: str


@dataclass(frozen=True, eq=False)
class SchemaKeys:
    """Keys to add to the schema of a field, in its Annotated."""

    keys: JsonObject

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonObject:
        return {**handler(schema), **self.keys}


LIST_SET = SchemaKeys({"x-kubernetes-list-type": "set"})
"""The values of the list are unique."""
PRESERVE_UNKNOWN = SchemaKeys({"x-kubernetes-preserve-unknown-fields": True})
"""The field accepts any JSON object."""


def list_map(key: str) -> SchemaKeys:
    """The list is a map, with this field as its key."""
    return SchemaKeys({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]})


def number_or_expression(*, minimum: int) -> SchemaKeys:
    """The field is an integer from a minimum, or an expression.

    Where a stored number is out of range, the object can still be read.
    """
    limits = {"minimum": minimum, "minLength": 1, "maxLength": MAX_EXPRESSION}
    return SchemaKeys({**limits, "x-kubernetes-int-or-string": True})


class WireModel(BaseModel):
    """A part of an object as the API server stores it: camelCase; unknown fields are ignored."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=True, extra="ignore", frozen=True
    )

    rules: ClassVar[list[Rule]] = []
    """The CEL rules that the API server checks for this class."""

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonObject:
        reference = handler(schema)
        resolved = handler.resolve_ref_schema(reference)
        if cls.rules:
            resolved["x-kubernetes-validations"] = [asdict(rule) for rule in cls.rules]
        docs: dict[str, str] = {}
        for base in [each for each in reversed(cls.__mro__) if issubclass(each, WireModel)]:
            docs |= _field_docs(base.__module__).get(base.__name__, {})
        for name, field in cls.model_fields.items():
            if name in docs:
                resolved["properties"][field.alias or name]["description"] = docs[name]
        return reference

    def __eq__(self, other: object) -> bool:
        """Compare the fields, which are all there is: pydantic looks for more when they differ."""
        if type(self) is not type(other):
            return NotImplemented
        return vars(self) == vars(other)

    def to_wire(self) -> JsonObject:
        """Return the JSON object for the API server, without absent and default fields."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)


@cache
def _field_docs(module: str) -> dict[str, dict[str, str]]:
    """Return the docstrings below fields in a module, by class and field."""
    nodes = ast.walk(ast.parse(inspect.getsource(sys.modules[module])))
    return {each.name: dict(_documented(each)) for each in nodes if isinstance(each, ast.ClassDef)}


def _documented(cls: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for pair in pairwise(cls.body):
        match pair:
            case ast.AnnAssign(ast.Name(name)), ast.Expr(ast.Constant(str(text))):
                yield name, text
            case _:
                pass


_NO_OFFSET = timedelta()


def format_time(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds, as the API server's MicroTime."""
    if moment.utcoffset() != _NO_OFFSET:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def _format_seconds(moment: datetime) -> str:
    """Return RFC 3339 in UTC to the second, as the API server's Time."""
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


_FIRST, _LAST = datetime(1000, 1, 1, tzinfo=UTC), datetime(2999, 12, 31, tzinfo=UTC)


def within_reach(moment: datetime) -> datetime:
    """Return the time, or the nearest with which one can compute, from 1000 to 2999."""
    if moment.tzinfo is None or _FIRST.year < moment.year < _LAST.year:
        return moment
    return min(max(moment, _FIRST), _LAST)


AdditionalMetadata = Annotated[
    dict[str, Annotated[str, Field(max_length=MAX_METADATA_VALUE)]],
    Field(max_length=MAX_METADATA_ENTRIES),
]
Timestamp = Annotated[
    datetime, AfterValidator(within_reach), PlainSerializer(format_time, when_used="json")
]
WholeSecond = Annotated[
    datetime, AfterValidator(within_reach), PlainSerializer(_format_seconds, when_used="json")
]
"""A time for people, without fractions of a second; nothing is ordered by it."""
_DATE, _CLOCK = r"(19[7-9][0-9]|2[0-9]{3})-[0-9]{2}-[0-9]{2}", r"[0-9]{2}:[0-9]{2}:[0-5][0-9]"
_ZONE = r"(Z|[+-](0[0-9]|1[0-4]):[0-5][0-9])"
GivenTime = Annotated[
    Timestamp, SchemaKeys({"pattern": rf"^{_DATE}T{_CLOCK}(\.[0-9]{{1,9}})?{_ZONE}$"})
]
"""A time that clients of the API server write: from 1970 to 2999, since its check of `date-time`
accepts times that Python's datetime does not."""


class OwnerReference(WireModel):
    """The owner of an object; the garbage collector deletes the object with its owner."""

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
    """A whole object. The name of its class is its kind."""

    api_version: Literal["podhatch.dev/v1alpha1"] = API_VERSION
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)

    def to_wire(self) -> JsonObject:
        """Return the manifest, including apiVersion and kind."""
        return {"apiVersion": self.api_version, "kind": type(self).__name__, **super().to_wire()}


def controlled_by(owner: ApiObject) -> JsonObject:
    """Return the owner reference of what an object controls."""
    metadata = owner.metadata
    of = {"apiVersion": owner.api_version, "kind": type(owner).__name__}
    return {**of, "name": metadata.name, "uid": metadata.uid, "controller": True}


class StatusCondition(WireModel):
    """One aspect of the state of an object, as metav1.Condition."""

    type: Annotated[str, Field(max_length=316)]
    """type of the condition, such as Valid."""
    status: Annotated[str, Field(max_length=7)]
    """status is True, False or Unknown."""
    reason: Annotated[str, Field(max_length=1024)]
    """reason for the status, as one word for programs."""
    message: Annotated[str, Field(max_length=32768)] = ""
    """message explains the reason, and what to do about it."""
    last_transition_time: WholeSecond
    """lastTransitionTime is the time of the last change of status."""
    observed_generation: Annotated[int | None, Field(ge=0)] = None
    """observedGeneration is the generation that the condition is based on."""


StatusConditions = Annotated[list[StatusCondition], list_map("type"), Field(max_length=16)]


class CheckedStatus(WireModel):
    """The result of the operator's validation of an object."""

    observed_generation: Annotated[int | None, Field(ge=0)] = None
    """observedGeneration is the last generation that was validated."""
    conditions: StatusConditions = Field(default_factory=list[StatusCondition])
    """conditions of the object. Valid is True if the object can be used."""
