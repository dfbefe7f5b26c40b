"""Fields with other names in JSON: they come through as inputs and outputs, whichever alias it is.

What travels has the names of validation, which are those of the published schema.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic.dataclasses
import pytest
from podhatch import Context, Hatchet
from podhatch.client.json_object import json_object
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.expressions.input_check import fit_problems
from podhatch.definitions.running.input import check_input, dump_input, input_schema
from podhatch.local.options import LocalOptions
from podhatch.local.running import local_runs
from podhatch.values.codec import dump_output, load_value, validate_input
from pydantic import (
    AliasChoices,
    AliasGenerator,
    AliasPath,
    BaseModel,
    ConfigDict,
    Field,
    RootModel,
    TypeAdapter,
    computed_field,
    field_serializer,
    model_serializer,
)
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

T = TypeVar("T")


class Plain(BaseModel):
    my_field: int = Field(alias="myField")


class Written(BaseModel):
    my_field: int = Field(serialization_alias="myField")


class Read(BaseModel):
    my_field: int = Field(validation_alias="myField")


class Both(BaseModel):
    my_field: int = Field(serialization_alias="written", validation_alias="read")


class Choice(BaseModel):
    my_field: int = Field(validation_alias=AliasChoices(AliasPath("a", 0), "myField", "other"))


class Path(BaseModel):
    my_field: int = Field(validation_alias=AliasPath("a", 0))


class Generated(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    my_field: int


class WrittenByGenerator(BaseModel):
    model_config = ConfigDict(alias_generator=AliasGenerator(serialization_alias=to_camel))
    my_field: int


class ByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True)
    my_field: int = Field(alias="myField")


class WrittenByName(BaseModel):
    model_config = ConfigDict(populate_by_name=True, serialize_by_alias=True)
    my_field: int = Field(serialization_alias="myField")


class NeverByAlias(BaseModel):
    model_config = ConfigDict(validate_by_alias=False, validate_by_name=True)
    my_field: int = Field(alias="myField")


class Swapped(BaseModel):
    a: int = Field(validation_alias="b")
    b: int = Field(validation_alias="a")


class Late(BaseModel):
    model_config = ConfigDict(defer_build=True)
    my_field: int = Field(serialization_alias="myField")


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    my_field: int = Field(serialization_alias="myField")


class Nested(BaseModel):
    one: Written = Field(serialization_alias="first")
    many: "list[Read | Written | Literal['none']]" = Field(alias="all")
    named: dict[str, Both]
    pair: tuple[Written, int]
    some: frozenset[Frozen]
    none: Written | None = None


class Tree(BaseModel):
    children: "list[Tree]" = Field(validation_alias="kids")
    leaf: Written | None = None


class Cat(BaseModel):
    kind: Literal["cat"] = "cat"
    my_field: int = Field(validation_alias="catField")


class Dog(BaseModel):
    kind: Literal["dog"] = "dog"
    my_field: int = Field(validation_alias="dogField")


class Pets(BaseModel):
    tagged: list[Annotated[Cat | Dog, Field(discriminator="kind")]]
    free: list[Cat | Dog]


class Box(BaseModel, Generic[T]):
    my_content: T = Field(serialization_alias="myContent")


class Changed(BaseModel):
    model_config = ConfigDict(extra="allow")
    my_field: int = Field(serialization_alias="myField")
    a_list: list[Written] = Field(validation_alias="aList")

    @computed_field(alias="sumOfAll")
    @property
    def total(self) -> int:
        return self.my_field + len(self.a_list)

    @field_serializer("a_list", when_used="json")
    def first_two(self, each: list[Written]) -> list[Written]:
        return each[:2]

    @model_serializer(mode="wrap")
    def marked(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        return {**handler(self), "marked": True}


@dataclass
class Standard:
    my_field: Annotated[int, Field(serialization_alias="myField")]
    inner: Read | None = None


@pydantic.dataclasses.dataclass
class Pydantics:
    my_field: int = Field(validation_alias="myField")
    inner: "Standard | None" = None


class Typed(TypedDict):
    my_field: Annotated[int, Field(serialization_alias="written", validation_alias="read")]
    inner: Written


class HasTyped(BaseModel):
    typed: list[Typed | None] = Field(serialization_alias="Typed")
    plain: "PlainTyped"


class PlainTyped(TypedDict):
    my_field: Annotated[int, Field(alias="myField")]


def made(declared: Any, **fields: Any) -> Any:
    """Return an instance, as the user's code has it."""
    return TypeAdapter(declared).validate_python(fields)


written = made(Written, my_field=1)
read = made(Read, myField=2)
both = made(Both, read=3)

ROWS: list[tuple[Any, dict[str, Any]]] = [
    (made(Plain, myField=1), {"myField": 1}),
    (written, {"my_field": 1}),
    (read, {"myField": 2}),
    (both, {"read": 3}),
    (made(Choice, other=4), {"myField": 4}),
    (made(Path, a=[5]), {"my_field": 5}),
    (made(Generated, myField=6), {"myField": 6}),
    (made(WrittenByGenerator, my_field=7), {"my_field": 7}),
    (made(ByName, my_field=8), {"myField": 8}),
    (made(WrittenByName, my_field=9), {"my_field": 9}),
    (made(NeverByAlias, my_field=1), {"myField": 1}),
    (made(Swapped, b=1, a=2), {"b": 1, "a": 2}),
    (made(Late, my_field=1), {"my_field": 1}),
    (
        made(
            Nested,
            one=written,
            all=[read, "none", written],
            named={"b": both},
            pair=(written, 2),
            some=frozenset([made(Frozen, my_field=1)]),
        ),
        {
            "one": {"my_field": 1},
            "all": [{"myField": 2}, "none", {"my_field": 1}],
            "named": {"b": {"read": 3}},
            "pair": [{"my_field": 1}, 2],
            "some": [{"my_field": 1}],
            "none": None,
        },
    ),
    (
        made(Tree, kids=[made(Tree, kids=[], leaf=written)]),
        {"kids": [{"kids": [], "leaf": {"my_field": 1}}], "leaf": None},
    ),
    (
        made(
            Pets,
            tagged=[made(Dog, dogField=1), made(Cat, catField=2)],
            free=[made(Dog, dogField=3)],
        ),
        {
            "tagged": [{"kind": "dog", "dogField": 1}, {"kind": "cat", "catField": 2}],
            "free": [{"kind": "dog", "dogField": 3}],
        },
    ),
    (made(Box[Read], my_content=read), {"my_content": {"myField": 2}}),
    (made(Standard, my_field=1, inner=read), {"my_field": 1, "inner": {"myField": 2}}),
    (
        made(Pydantics, myField=1, inner=made(Standard, my_field=2)),
        {"myField": 1, "inner": {"my_field": 2, "inner": None}},
    ),
    (
        made(HasTyped, typed=[{"read": 1, "inner": written}, None], plain={"myField": 2}),
        {"typed": [{"read": 1, "inner": {"my_field": 1}}, None], "plain": {"myField": 2}},
    ),
]
objects = pytest.mark.parametrize(
    ("value", "raw"), ROWS, ids=[type(row[0]).__name__ for row in ROWS]
)


@objects
def test_an_input_travels_under_its_aliases(value: object, raw: dict[str, Any]) -> None:
    declared = type(value)
    assert dump_input("orders", declared, value) == raw
    assert dump_input("orders", declared, raw) == raw
    assert check_input("orders", declared, json.dumps(raw)) == raw
    assert validate_input(raw, declared) == value
    schema = input_schema("orders", declared)
    assert schema is not None
    assert fit_problems(raw, schema, Questions(IN_PROCESS)) == ()
    assert json_object("payload", {"inner": value}) == {"inner": raw}


@objects
def test_an_output_travels_under_its_aliases(value: object, raw: dict[str, Any]) -> None:
    text = dump_output({"inside": [value]})
    assert text is not None
    assert json.loads(text) == {"inside": [raw]}
    assert load_value(json.dumps(raw), type(value)) == value


@objects
def test_a_run_takes_input_under_its_aliases(value: object, raw: dict[str, Any]) -> None:
    declared = type(value)

    @Hatchet().task(name="echo", input_validator=declared)
    def echo(input: Any, ctx: Context) -> Any:
        assert isinstance(input, declared)
        assert ctx.input == raw
        return input

    echo.task.output_validator = declared
    assert echo.mock_run(value) == value
    assert echo.run_local(value) == value
    assert echo.run_local(raw) == value
    with local_runs(LocalOptions()):
        assert echo.run_many([echo.create_bulk_run_item(value)] * 2) == [value, value]


ROOT = RootModel[list[Written | Read]]


@pytest.mark.parametrize(
    ("declared", "value", "raw"),
    [
        (list[Written], [written], [{"my_field": 1}]),
        (dict[str, Read | None], {"a": read, "b": None}, {"a": {"myField": 2}, "b": None}),
        (ROOT, ROOT([written, read]), [{"my_field": 1}, {"myField": 2}]),
        (Typed, Typed(my_field=1, inner=written), {"my_field": 1, "inner": {"my_field": 1}}),
    ],
)
def test_an_output_that_is_not_an_object_has_aliases_too(
    declared: object, value: object, raw: object
) -> None:
    text = dump_output(value)
    assert text is not None
    assert json.loads(text) == raw
    assert load_value(text, declared) == value


@pytest.mark.parametrize("value", [{"read": 1, "inner": written}, Typed(my_field=1, inner=written)])
def test_a_typed_dict_may_be_an_input(value: Any) -> None:
    raw = dump_input("orders", Typed, value)
    assert raw == {"read": 1, "inner": {"my_field": 1}}
    assert validate_input(raw, Typed) == {"my_field": 1, "inner": written}


def test_serializers_of_the_user_have_the_last_word() -> None:
    value = made(Changed, my_field=1, aList=[written] * 3, more=made(Read, myField=5))
    raw = dump_input("orders", Changed, value)
    assert raw == {
        "my_field": 1,
        "aList": [{"my_field": 1}] * 2,
        "marked": True,
        "more": {"myField": 5},
    }
