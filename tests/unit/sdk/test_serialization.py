"""Values to JSON text and back."""

import math
import subprocess
import sys
from collections import deque
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum, StrEnum
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podhatch import IllegalTaskOutputError, InvalidRun
from podhatch.values.codec import dump_output, load_value, validate_input
from pydantic import BaseModel, Field
from typing_extensions import TypedDict


class Item(BaseModel):
    name: str = Field(alias="itemName")
    day: date = date(2026, 1, 2)


@dataclass
class Basket:
    items: list[Item]
    at: datetime = datetime(2026, 1, 2, tzinfo=UTC)
    notes: dict[str, int] = field(default_factory=dict[str, int])


class Point(NamedTuple):
    x: int
    y: int


class Colour(StrEnum):
    RED = "red"


class Plain(Enum):
    ONE = {"a": 1}  # noqa: RUF012 - a value, not a default
    TWO = "two"


class Address(TypedDict):
    street: str
    since: datetime


item = Item(itemName="a")
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text("abcé\x00\n"), inner),
)


@given(json_values)
def test_any_json_value_survives(value: object) -> None:
    text = dump_output(value)
    assert (None if text is None else load_value(text, None)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("Hello, Wörld!", '"Hello, Wörld!"'),
        ("", '""'),
        (0, "0"),
        (False, "false"),
        ({}, "{}"),
        ((1, [2.5]), "[1,[2.5]]"),
        (Point(1, 2), "[1,2]"),
        (Colour.RED, '"red"'),
        (item, '{"name":"a","day":"2026-01-02"}'),
        ({"one": [item]}, '{"one":[{"name":"a","day":"2026-01-02"}]}'),
        (
            Basket([item]),
            '{"items":[{"name":"a","day":"2026-01-02"}],"at":"2026-01-02T00:00:00Z","notes":{}}',
        ),
        ({"at": datetime(2026, 1, 2, tzinfo=UTC)}, '{"at":"2026-01-02T00:00:00Z"}'),
        ({"for": timedelta(minutes=5)}, '{"for":"PT5M"}'),
        ([UUID(int=7)], '["00000000-0000-0000-0000-000000000007"]'),
        ((Decimal("1.10"), Plain.ONE, Path("a"), b"x"), '["1.10",{"a":1},"a","x"]'),
        ({"a": {1}, "b": frozenset([date(2026, 1, 2)])}, '{"a":[1],"b":["2026-01-02"]}'),
        (deque([item]), '[{"name":"a","day":"2026-01-02"}]'),
        ([{date(2026, 1, 2): {UUID(int=7)}}], f'[{{"2026-01-02":["{UUID(int=7)}"]}}]'),
        ({Plain.TWO: 1, None: 2, 3: 4, True: 5}, '{"two":1,"null":2,"3":4,"true":5}'),
    ],
)
def test_an_output_is_dumped_as_json(value: object, text: str | None) -> None:
    assert dump_output(value) == text


class Holder(BaseModel):
    number: float


def circle() -> list[object]:
    inner: list[object] = []
    inner.append(inner)
    return inner


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (math.nan, "expected a finite number"),
        ({"a": [math.inf]}, "expected a finite number"),
        (Holder(number=math.nan), "expected a finite number"),
        (b"\xff", "an object of type bytes"),
        ({"a": {1, object()}}, "an object of type object"),
        (object(), "an object of type object"),
        (Item, "an object of type"),
        (iter([1]), "an object of type list_iterator"),
        ({(1, 2): 3}, "a dict with a tuple as a key"),
        ({frozenset[int](): 3}, "an object of type dict"),
        (circle(), "Circular"),
        ("\ud800", "surrogates"),
    ],
)
def test_a_value_that_is_not_json_is_refused(value: object, words: str) -> None:
    with pytest.raises(IllegalTaskOutputError, match=f"the task's output is not JSON: .*{words}"):
        dump_output(value)


@pytest.mark.parametrize(
    ("text", "declared", "value"),
    [
        ('{"a": 1}', None, {"a": 1}),
        ('{"a": 1}', dict, {"a": 1}),
        ("1", int, 1),
        ("1", float, 1.0),
        ("true", bool, True),
        ("null", type(None), None),
        ("null", Item | None, None),
        ('{"itemName": "a"}', Item, item),
        ('[{"itemName": "a"}]', list[Item], [item]),
        ("[1, 2]", tuple[int, int], (1, 2)),
        ('{"items": []}', Basket, Basket([])),
        ("[1, 2]", Point, Point(1, 2)),
        ('"red"', Colour, Colour.RED),
        ('{"a":"2026-01-02"}', dict[str, date], {"a": date(2026, 1, 2)}),
        ('{"2026-01-02":[1]}', dict[date, set[int]], {date(2026, 1, 2): {1}}),
        (
            '{"street":"a","since":"2026-01-02T00:00:00Z"}',
            Address,
            {"street": "a", "since": datetime(2026, 1, 2, tzinfo=UTC)},
        ),
    ],
)
def test_an_output_is_loaded_as_declared(text: str, declared: object, value: object) -> None:
    loaded = load_value(text, declared)
    assert loaded == value
    assert type(loaded) is type(value)


@pytest.mark.parametrize(
    ("text", "declared", "words"),
    [
        ("{}", Item, "itemName: Field required"),
        ('"x"', type(None), "value: Input should be null"),
        ("null", dict, "value: Input should be"),
        (
            '{"items": [{"itemName": 7}]}',
            Basket,
            r"items\.0\.itemName: Input should be",
        ),
    ],
)
def test_an_output_that_is_not_as_declared_is_an_error(
    text: str, declared: object, words: str
) -> None:
    with pytest.raises(IllegalTaskOutputError, match=f"declares to return: {words}"):
        load_value(text, declared)


@pytest.mark.parametrize(
    ("raw", "validator", "value"),
    [
        ({"a": 1}, dict, {"a": 1}),
        ({"a": 1}, dict[str, Any], {"a": 1}),
        ({"a": "1"}, dict[str, int], {"a": 1}),
        ({"itemName": "a"}, Item, item),
        ({"items": [], "at": "2026-01-02T00:00:00Z"}, Basket, Basket([])),
    ],
)
def test_an_input_is_validated_as_declared(
    raw: dict[str, Any], validator: object, value: object
) -> None:
    assert validate_input(raw, validator) == value


def test_an_input_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(InvalidRun, match="the input does not fit: itemName: Field required"):
        validate_input({}, Item)


@pytest.mark.parametrize(
    ("value", "loaded"),
    [
        ("[{'a': 1}, {2}, None]", []),
        ("{'at': datetime.date(2026, 1, 2)}", ["pydantic_core"]),
        ("{datetime.date(2026, 1, 2): 1}", ["pydantic_core"]),
    ],
)
def test_pydantic_is_loaded_for_what_needs_it(value: str, loaded: list[str]) -> None:
    program = f"""
import datetime, sys
from podhatch.values.codec import dump_output
dump_output({value})
print([each for each in ("pydantic", "pydantic_core") if each in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.stdout == f"{loaded}\n", done.stderr
