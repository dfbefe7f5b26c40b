"""The conversion of a model's JSON Schema into a structural one, type by type."""

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Literal

import pytest
from podhatch.api.model import (
    LIST_SET,
    PRESERVE_UNKNOWN,
    ApiObject,
    JsonObject,
    Rule,
    Timestamp,
    WireModel,
    list_map,
)
from podhatch.api.schema import UnsupportedTypeError, crd_schema
from pydantic import Field


class Inner(WireModel):
    """Inner things.

    On two
    lines.
    """

    rules: ClassVar[list[Rule]] = [Rule("self.key != ''", "give it a key")]

    key: str


class Outer(Inner):
    some_field: int = 0
    """someField is described
    below it."""
    other: Inner | None = None
    """other is special."""
    last_field: Annotated[int, Field(alias="last", ge=0)] = 0
    """last of them."""
    plain: int = 0


class Tree(WireModel):
    children: "list[Tree]" = Field(default_factory=list["Tree"])


def field_schema(annotation: Any, **attributes: Any) -> JsonObject:
    """The schema of one field of a made-up object."""
    namespace = {"__annotations__": {"some_field": annotation}, "__module__": __name__}
    model: type[ApiObject] = type("Thing", (ApiObject,), {**namespace, **attributes})
    return crd_schema(model)["properties"]["someField"]


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [
        (str, {"type": "string"}),
        (bool, {"type": "boolean"}),
        (int, {"type": "integer", "format": "int64"}),
        (Annotated[int, Field(le=100)], {"type": "integer", "format": "int32", "maximum": 100}),
        (Annotated[float, Field(ge=0.5)], {"type": "number", "minimum": 0.5}),
        (
            Annotated[float, Field(gt=0, lt=9)],
            {
                "type": "number",
                "minimum": 0,
                "exclusiveMinimum": True,
                "maximum": 9,
                "exclusiveMaximum": True,
            },
        ),
        (Literal["a"], {"type": "string", "enum": ["a"]}),
        (Literal["a", "b"], {"type": "string", "enum": ["a", "b"]}),
        (Timestamp, {"type": "string", "format": "date-time"}),
        (
            Annotated[dict[str, str], Field(max_length=3)],
            {"type": "object", "additionalProperties": {"type": "string"}, "maxProperties": 3},
        ),
        (
            Annotated[JsonObject, PRESERVE_UNKNOWN],
            {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        ),
        (
            Annotated[list[str], LIST_SET],
            {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "set"},
        ),
    ],
)
def test_each_annotation_has_its_schema(annotation: Any, expected: JsonObject) -> None:
    assert field_schema(annotation) == expected
    assert field_schema(annotation | None, some_field=None) == expected


def test_a_model_stands_in_place_with_its_rules_and_its_description_on_one_line() -> None:
    assert field_schema(Inner) == {
        "type": "object",
        "description": "Inner things.\n\nOn two lines.",
        "properties": {"key": {"type": "string"}},
        "required": ["key"],
        "x-kubernetes-validations": [{"rule": "self.key != ''", "message": "give it a key"}],
    }


def test_the_docstring_below_a_field_is_its_description() -> None:
    for model in (Outer, type("Heir", (Outer,), {"__module__": __name__})):
        fields = field_schema(model)["properties"]
        assert {name: node.get("description") for name, node in fields.items()} == {
            "key": None,
            "someField": "someField is described below it.",
            "other": "other is special.",
            "last": "last of them.",
            "plain": None,
        }


def test_a_fields_description_wins_over_that_of_its_model() -> None:
    described = Annotated[Inner | None, Field(description="someField is special.")]
    assert field_schema(described, some_field=None)["description"] == "someField is special."


def test_list_maps_name_their_key() -> None:
    schema = field_schema(Annotated[list[Inner], list_map("key")])
    assert schema["x-kubernetes-list-type"] == "map"
    assert schema["x-kubernetes-list-map-keys"] == ["key"]
    assert schema["items"]["required"] == ["key"]


@pytest.mark.parametrize(
    ("annotation", "default", "expected"),
    [
        (float, 60.0, 60),
        (float, 0.5, 0.5),
        (str, "Equal", "Equal"),
        (bool, True, True),
    ],
)
def test_defaults_that_say_something_are_kept(
    annotation: Any, default: object, expected: object
) -> None:
    kept = field_schema(annotation, some_field=default)["default"]
    assert (kept, type(kept)) == (expected, type(expected))


@pytest.mark.parametrize(
    ("annotation", "default"), [(str | None, None), (str, ""), (int, 0), (bool, False)]
)
def test_defaults_that_equal_absence_are_dropped(annotation: Any, default: object) -> None:
    assert "default" not in field_schema(annotation, some_field=default)


@pytest.mark.parametrize(
    ("annotation", "words"),
    [
        (int | str, "one type, got 2"),
        (tuple[int, str], "prefixItems"),
        (set[str], "uniqueItems"),
        (dict[str, Any], "PRESERVE_UNKNOWN"),
        (Any, "needs a type"),
        (Tree, "contains itself"),
        (Decimal, "one type"),
    ],
)
def test_what_a_crd_cannot_hold_is_an_error_that_names_the_field(
    annotation: Any, words: str
) -> None:
    with pytest.raises(UnsupportedTypeError, match=words) as caught:
        field_schema(annotation)
    assert "Thing.someField" in str(caught.value)


def test_metadata_is_left_to_the_api_server() -> None:
    schema = crd_schema(ApiObject)
    assert schema["properties"]["metadata"] == {"type": "object"}
    assert schema["properties"]["apiVersion"]["type"] == "string"
    assert schema["properties"]["kind"]["type"] == "string"
