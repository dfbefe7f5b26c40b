"""Fields with aliases: they travel under their own names, and are read under their aliases too."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar

import pydantic.dataclasses
import pytest
from podhatch import Context, Hatchet
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.expressions.input_check import fit_problems
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs
from podhatch.values.codec import dump_output, load_value, validate_input
from podhatch.values.input import check_input, dump_input, input_schema, json_object
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


class Other(BaseModel):
    other_field: int = Field(serialization_alias="otherField")


class Late(BaseModel):
    model_config = ConfigDict(defer_build=True)
    my_field: int = Field(serialization_alias="myField")


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True)
    my_field: int = Field(serialization_alias="myField")


class Nested(BaseModel):
    one: Written = Field(serialization_alias="first")
    many: "list[Read | Other | Literal['none']]" = Field(alias="all")
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
other = made(Other, other_field=4)

ROWS: list[tuple[Any, dict[str, Any]]] = [
    (made(Plain, myField=1), {"my_field": 1}),
    (written, {"my_field": 1}),
    (read, {"my_field": 2}),
    (both, {"my_field": 3}),
    (made(Choice, other=4), {"my_field": 4}),
    (made(Path, a=[5]), {"my_field": 5}),
    (made(Generated, myField=6), {"my_field": 6}),
    (made(WrittenByGenerator, my_field=7), {"my_field": 7}),
    (made(ByName, my_field=8), {"my_field": 8}),
    (made(WrittenByName, my_field=9), {"my_field": 9}),
    (made(NeverByAlias, my_field=1), {"my_field": 1}),
    (made(Late, my_field=1), {"my_field": 1}),
    (
        made(
            Nested,
            one=written,
            all=[read, "none", other],
            named={"b": both},
            pair=(written, 2),
            some=frozenset([made(Frozen, my_field=1)]),
        ),
        {
            "one": {"my_field": 1},
            "many": [{"my_field": 2}, "none", {"other_field": 4}],
            "named": {"b": {"my_field": 3}},
            "pair": [{"my_field": 1}, 2],
            "some": [{"my_field": 1}],
            "none": None,
        },
    ),
    (
        made(Tree, kids=[made(Tree, kids=[], leaf=written)]),
        {"children": [{"children": [], "leaf": {"my_field": 1}}], "leaf": None},
    ),
    (
        made(
            Pets,
            tagged=[made(Dog, dogField=1), made(Cat, catField=2)],
            free=[made(Dog, dogField=3)],
        ),
        {
            "tagged": [{"kind": "dog", "my_field": 1}, {"kind": "cat", "my_field": 2}],
            "free": [{"kind": "dog", "my_field": 3}],
        },
    ),
    (made(Box[Read], my_content=read), {"my_content": {"my_field": 2}}),
    (made(Standard, my_field=1, inner=read), {"my_field": 1, "inner": {"my_field": 2}}),
    (
        made(Pydantics, myField=1, inner=made(Standard, my_field=2)),
        {"my_field": 1, "inner": {"my_field": 2, "inner": None}},
    ),
    (
        made(HasTyped, typed=[{"read": 1, "inner": written}, None], plain={"myField": 2}),
        {"typed": [{"my_field": 1, "inner": {"my_field": 1}}, None], "plain": {"my_field": 2}},
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

    def same(input: Any, ctx: Context) -> Any:
        assert isinstance(input, declared)
        assert ctx.input == raw
        return input

    same.__annotations__["return"] = declared
    echo = Hatchet().task(name="echo", input_validator=declared)(same)
    assert echo.mock_run(value) == value
    assert echo.run_local(value) == value
    assert echo.run_local(raw) == value
    with local_runs(LocalOptions()):
        assert echo.run_many([echo.create_bulk_run_item(value)] * 2) == [value, value]


ROOT = RootModel[list[Other | Read]]


@pytest.mark.parametrize(
    ("declared", "value", "raw"),
    [
        (list[Written], [written], [{"my_field": 1}]),
        (dict[str, Read | None], {"a": read, "b": None}, {"a": {"my_field": 2}, "b": None}),
        (ROOT, ROOT([other, read]), [{"other_field": 4}, {"my_field": 2}]),
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
    assert raw == {"my_field": 1, "inner": {"my_field": 1}}
    assert validate_input(raw, Typed) == {"my_field": 1, "inner": written}


def test_serializers_of_the_user_have_the_last_word() -> None:
    value = made(Changed, my_field=1, aList=[written] * 3, more=made(Read, myField=5))
    raw = dump_input("orders", Changed, value)
    assert raw == {
        "my_field": 1,
        "a_list": [{"my_field": 1}] * 2,
        "marked": True,
        "more": {"my_field": 5},
    }


ALIASED: list[tuple[Any, dict[str, Any], dict[str, Any]]] = [
    (Plain, {"myField": 1}, {"my_field": 1}),
    (Read, {"myField": 2}, {"my_field": 2}),
    (Both, {"read": 3}, {"my_field": 3}),
    (Generated, {"myField": 6}, {"my_field": 6}),
    (Tree, {"kids": [{"children": []}]}, {"children": [{"children": [], "leaf": None}]}),
    (PlainTyped, {"myField": 2}, {"my_field": 2}),
    (Pydantics, {"myField": 1}, {"my_field": 1, "inner": None}),
]


@pytest.mark.parametrize(("declared", "given", "raw"), ALIASED)
def test_an_input_is_read_under_its_aliases_too(
    declared: Any, given: dict[str, Any], raw: dict[str, Any]
) -> None:
    schema = input_schema("orders", declared)
    assert schema is not None
    assert fit_problems(given, schema, Questions(IN_PROCESS)) == ()
    assert fit_problems({}, schema, Questions(IN_PROCESS)) != ()
    assert validate_input(given, declared) == validate_input(raw, declared)
    dumped = dump_input("orders", declared, given)
    assert dump_input("orders", declared, dumped) == dumped
    assert validate_input(dumped, declared) == validate_input(raw, declared)
