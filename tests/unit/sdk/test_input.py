"""A run's input: what the caller passes, what the cluster keeps, and its schema."""

import dataclasses
import math
import sys
from dataclasses import dataclass
from datetime import date
from typing import Any, TypedDict

import pytest
from podhatch import EmptyModel, InvalidRun
from podhatch.api.pod import MAX_INPUT_BYTES
from podhatch.values.codec import validate_input
from podhatch.values.input import dump_input, input_schema
from pydantic import BaseModel, Field, RootModel, ValidationError


class Order(BaseModel):
    id: int
    day: date | None = Field(default=None, alias="orderDay")


class Wishes(EmptyModel):
    tea: bool = Field(validation_alias="wants_tea")


wishes = Wishes.model_validate({"wants_tea": True})


@dataclass
class Parcel:
    weight: float


def test_the_empty_model_takes_anything_and_cannot_be_changed() -> None:
    model = EmptyModel.model_validate({"name": "Ada"})
    assert model.model_dump() == {"name": "Ada"}
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, "name", "Bob")  # noqa: B010


@pytest.mark.parametrize(
    ("validator", "value", "raw"),
    [
        (EmptyModel, None, {}),
        (EmptyModel, EmptyModel(), {}),
        (EmptyModel, {"name": "Ada", "on": date(2026, 1, 2)}, {"name": "Ada", "on": "2026-01-02"}),
        (Order, Order(id=7), {"id": 7, "day": None}),
        (Order, {"id": "7", "orderDay": "2026-01-02"}, {"id": 7, "day": "2026-01-02"}),
        (Parcel, Parcel(1.5), {"weight": 1.5}),
        (Parcel, {"weight": 1}, {"weight": 1.0}),
        (dict, None, {}),
        (dict, EmptyModel.model_validate({"a": 1}), {"a": 1}),
        (dict, {"a": [Order(id=7)]}, {"a": [{"id": 7, "day": None}]}),
        (dict[str, int], {"a": "1"}, {"a": 1}),
        (dict, {"on": date(2026, 1, 2)}, {"on": "2026-01-02"}),
        (EmptyModel, {"days": {date(2026, 1, 2): {1}}}, {"days": {"2026-01-02": [1]}}),
        (EmptyModel, wishes, {"tea": True}),
        (Wishes, wishes, {"tea": True}),
    ],
)
def test_an_input_is_stored_as_json(validator: object, value: object, raw: dict[str, Any]) -> None:
    assert dump_input("orders", validator, value) == raw


@pytest.mark.parametrize(
    ("validator", "value"),
    [(Order, Order(id=7, orderDay=date(2026, 1, 2))), (Parcel, Parcel(1.5))],
)
def test_a_pod_gets_what_the_caller_passed(validator: object, value: object) -> None:
    assert validate_input(dump_input("orders", validator, value), validator) == value


@pytest.mark.parametrize(
    ("validator", "value", "words"),
    [
        (Order, {}, "does not fit: id: Field required"),
        (Order, {"id": 1, "orderDay": "x"}, "does not fit: orderDay: Input should be a valid date"),
        (Order, Parcel(1.0), "does not fit: value: Input should be a valid dictionary or instance"),
        (Parcel, {"weight": math.nan}, "is not JSON: weight: expected a finite number"),
        (dict, {"a": object()}, "is not JSON: it holds an object of type object"),
        (dict, Order(id=7), "is not JSON: Order is not a dict"),
        (dict, [1], "is not JSON: list is not a dict"),
        (EmptyModel, "x", "does not fit"),
        (RootModel[list[int]], [1], "is not a JSON object"),
        (dict, {"a": "x" * MAX_INPUT_BYTES}, "has 262,152 bytes as JSON, 262,144 are allowed"),
    ],
)
def test_an_invalid_input_is_refused(validator: object, value: object, words: str) -> None:
    with pytest.raises(InvalidRun, match=f"^the input of workflow 'orders' {words}"):
        dump_input("orders", validator, value)


def test_the_schema_has_names_and_aliases() -> None:
    schema = input_schema("orders", Order)
    assert schema is not None
    assert list(schema["properties"]) == ["id", "day", "orderDay"]
    assert schema["required"] == ["id"]


def test_a_dataclass_has_a_schema() -> None:
    assert input_schema("orders", Parcel) == {
        "title": "Parcel",
        "type": "object",
        "properties": {"weight": {"title": "Weight", "type": "number"}},
        "required": ["weight"],
    }


@pytest.mark.parametrize("validator", [EmptyModel, dict, dict[str, Any]])
def test_an_input_of_any_shape_has_no_schema(validator: object) -> None:
    assert input_schema("orders", validator) is None


def test_a_type_without_a_schema_is_refused() -> None:
    @dataclasses.dataclass
    class Odd:
        module: type(sys)  # pyright: ignore[reportInvalidTypeForm]

    with pytest.raises(ValueError, match="workflow 'orders': input_validator: "):
        input_schema("orders", Odd)


class Address(TypedDict):
    street: str


def test_a_typed_dict_of_the_standard_library_is_an_input_from_python_3_12() -> None:
    if sys.version_info < (3, 12):  # pydantic cannot read it
        with pytest.raises(ValueError, match=r"typing_extensions\.TypedDict"):
            input_schema("orders", Address)
    else:
        schema = input_schema("orders", Address)
        assert schema is not None
        assert schema["properties"] == {"street": {"title": "Street", "type": "string"}}
