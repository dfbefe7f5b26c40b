"""Whatever models and values hold, they arrive as they left, or are refused with their path.

Between the dump and the validation stands what the API server does to numbers: a whole number that
fits 64 bits stays, any other number becomes a float, and a float without a fraction is written
without one.
"""

import json
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Generic, Literal, TypeVar
from uuid import UUID

import pydantic.dataclasses
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject
from podhatch.cli.errors import UsageError
from podhatch.cli.values import json_object as option_value
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.expressions.input_check import fit_problems
from podhatch.errors import IllegalTaskOutputError, InvalidRun
from podhatch.values.codec import dump_output, load_value, validate_input
from podhatch.values.input import check_input, dump_input, input_schema, json_object
from podhatch.values.parsing import metadata_texts
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    Json,
    RootModel,
    Secret,
    SecretBytes,
    SecretStr,
    computed_field,
    field_serializer,
)
from pydantic.alias_generators import to_camel
from typing_extensions import TypedDict

INT64 = st.integers(-(2**63), 2**63 - 1)
T = TypeVar("T")


def through_the_api_server(value: object) -> Any:
    """Return a JSON value as the API server's decoder and encoder for open fields leave it."""
    return _arrived(json.loads(json.dumps(value)))


def _arrived(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _arrived(held) for key, held in _entries(value)}
    if isinstance(value, list):
        return [_arrived(held) for _, held in _entries(value)]
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        value = float(value)
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        return int(value)
    return value


class Color(Enum):
    RED = "red"
    BLUE = 2


class Level(IntEnum):
    LOW = 1


class Closed(BaseModel):
    model_config = ConfigDict(extra="forbid")
    width: int
    height: int = 2

    @computed_field
    @property
    def area(self) -> int:
        return self.width * self.height


class Open(Closed):
    model_config = ConfigDict(extra="allow")


class Camel(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel, extra="forbid")
    first_name: str
    pass_word: SecretStr

    @computed_field
    @property
    def full_name(self) -> str:
        return self.first_name


@pydantic.dataclasses.dataclass
class Validated:
    key: SecretStr
    when: date | None = None


@dataclass
class Bare:
    number: int
    closed: Closed


class Typed(TypedDict):
    text: str
    token: SecretStr


class Packed(BaseModel):
    payload: Json[dict[str, int]]
    inner: Json[list[Any]] = Field(default_factory=list[Any])


class Guarded(BaseModel):
    token: SecretStr
    raw: SecretBytes = SecretBytes(b"")
    born: Secret[date] | None = None
    many: list[SecretStr] = Field(default_factory=list[SecretStr])
    by_name: dict[str, SecretStr | None] = Field(default_factory=dict[str, SecretStr | None])
    anything: Any = None


class Box(BaseModel, Generic[T]):
    model_config = ConfigDict(extra="forbid")
    held: T


class Numbers(RootModel[list[int]]):
    pass


class Encrypted(BaseModel):
    code: Annotated[SecretStr, AfterValidator(lambda code: SecretStr(_reversed(code)))]

    @field_serializer("code")
    def reverse(self, code: SecretStr) -> str:
        return _reversed(code)


def _reversed(code: SecretStr) -> str:
    return code.get_secret_value()[::-1]


class Everything(BaseModel):
    number: int
    ratio: float
    exact: Decimal
    text: str
    day: date
    moment: datetime
    span: timedelta
    id: UUID
    color: Color
    level: Level
    kind: Literal["a", 1, None]
    closed: Closed
    camel: list[Camel]
    pair: tuple[int, str]
    members: frozenset[int]
    by_number: dict[int, Closed]
    by_day: dict[date, Validated]
    queue: deque[int]
    typed: Typed
    either: Closed | Guarded | int
    packed: Packed | None = None


TEXT = st.text(max_size=8)
SECRET = TEXT.map(SecretStr)
CLOSED = st.builds(Closed, width=INT64, height=INT64)
CAMEL = st.builds(lambda a, b: Camel(firstName=a, passWord=b), TEXT, SECRET)  # type: ignore[call-arg]
VALIDATED = st.builds(Validated, key=SECRET, when=st.none() | st.dates())
PACKED = st.builds(
    Packed.model_construct,
    payload=st.dictionaries(TEXT, INT64, max_size=3),
    inner=st.lists(INT64 | TEXT, max_size=3),
)
GUARDED = st.builds(
    Guarded,
    token=SECRET,
    raw=TEXT.map(lambda text: SecretBytes(text.encode())),
    born=st.none() | st.dates().map(Secret[date]),
    many=st.lists(SECRET, max_size=3),
    by_name=st.dictionaries(TEXT, st.none() | SECRET, max_size=3),
)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
EVERYTHING = st.builds(
    Everything,
    number=INT64,
    ratio=FINITE,
    exact=st.decimals(allow_nan=False, allow_infinity=False),
    closed=CLOSED,
    camel=st.lists(CAMEL, max_size=2),
    typed=st.fixed_dictionaries({"text": TEXT, "token": SECRET}),
    by_number=st.dictionaries(INT64, CLOSED, max_size=2),
    by_day=st.dictionaries(st.dates(), VALIDATED, max_size=2),
    either=CLOSED | GUARDED | INT64,
    packed=st.none() | PACKED,
    pair=st.tuples(INT64, TEXT),
    members=st.frozensets(INT64, max_size=3),
    queue=st.lists(INT64, max_size=3).map(deque),
    text=TEXT,
)
CASES: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (Closed, CLOSED),
    (Open, st.builds(Open, width=INT64, other=TEXT)),
    (Camel, CAMEL),
    (Validated, VALIDATED),
    (Bare, st.builds(Bare, INT64, CLOSED)),
    (Typed, st.fixed_dictionaries({"text": TEXT, "token": SECRET})),
    (Packed, PACKED),
    (Guarded, GUARDED),
    (Box[Camel], st.builds(Box[Camel], held=CAMEL)),
    (Box[Closed | Guarded], st.builds(Box[Closed | Guarded], held=CLOSED | GUARDED)),
    (Encrypted, st.builds(Encrypted, code=SECRET)),
    (Everything, EVERYTHING),
]


@pytest.mark.parametrize(("declared", "values"), CASES, ids=lambda each: str(each)[:30])
@given(data=st.data())
@settings(max_examples=25)
def test_models_arrive_as_they_left(
    declared: Any, values: st.SearchStrategy[Any], data: st.DataObject
) -> None:
    value = data.draw(values)
    written = dump_input("w", declared, value)
    check_input("w", declared, json.dumps(written))
    arrived = through_the_api_server(written)
    assert fit_problems(input_schema("w", declared) or {}, arrived, Questions(IN_PROCESS)) == ()
    assert validate_input(arrived, declared) == value
    output = dump_output(value)
    assert output is not None
    assert load_value(output, declared) == value


@given(value=st.builds(Numbers, st.lists(st.integers(), max_size=3)))
def test_whole_numbers_of_any_size_are_outputs(value: Numbers) -> None:
    output = dump_output(value)
    assert output is not None
    assert load_value(output, Numbers) == value


JSON_VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT | INT64, inner, max_size=3),
    max_leaves=8,
)
SENDERS: list[Callable[[dict[str, Any]], JsonObject]] = [
    lambda value: dump_input("w", dict, value),
    lambda value: json_object("payload", value),
    lambda value: option_value("--input", json.dumps(value)),
]


@pytest.mark.parametrize("send", SENDERS)
@given(value=JSON_VALUES)
@settings(max_examples=150)
def test_json_arrives_as_it_left_or_is_refused(
    send: Callable[[dict[str, Any]], JsonObject], value: object
) -> None:
    if _is_kept(value):
        arrived = through_the_api_server(send({"the field": value}))
        assert arrived == {"the field": _with_text_keys(value)}
        return
    with pytest.raises((ValueError, InvalidRun, UsageError), match=r"the field|holds the key"):
        send({"the field": value})


def _is_kept(value: Any) -> bool:
    if isinstance(value, dict):
        entries = _entries(value)
        keys = {str(key) for key, _ in entries}
        return len(keys) == len(entries) and all(_is_kept(held) for _, held in entries)
    if isinstance(value, list):
        return all(_is_kept(held) for _, held in _entries(value))
    if isinstance(value, float):
        return math.isfinite(value)
    return not isinstance(value, int) or -(2**63) <= value < 2**63


def _with_text_keys(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _with_text_keys(held) for key, held in _entries(value)}
    if isinstance(value, list):
        return [_with_text_keys(held) for _, held in _entries(value)]
    return value


def _entries(value: Any) -> list[tuple[Any, Any]]:
    return [*(value.items() if isinstance(value, dict) else enumerate(value))]


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"a": [{"id": 2**63}]}, "a[0].id: 9223372036854775808 does not fit 64 bits"),
        ({"a": -(2**63) - 1}, "a: -9223372036854775809 does not fit"),
        ({"a": 10**5000}, "4300 digits"),
        ({"a": {"b": float("nan")}}, "a.b: expected a finite number, got nan"),
        ({"a": [0, float("-inf")]}, "a[1]: expected a finite number, got -inf"),
        ({"a": {1: 0, "1": 1}}, "a: the keys 1 and '1' are one in JSON"),
        ({"a": {None: 0, "null": 1}}, "a: the keys None and 'null' are one in JSON"),
        ({"a": [{date(2026, 1, 2): 0, "2026-01-02": 1}]}, "a[0]: the keys datetime.date"),
        ({"a": Box[dict[Any, int]](held={1: 0, "1": 1})}, "a.held: the keys 1 and '1' are one"),
    ],
)
def test_what_would_change_is_refused_with_its_path(value: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRun) as run:
        dump_input("w", dict, value)
    with pytest.raises(ValueError, match="payload") as payload:
        json_object("payload", value)
    assert words in str(run.value)
    assert words in str(payload.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({1: 0, "1": 1}, "the keys 1 and '1' are one in JSON"),
        ([{"a": float("inf")}], "[0].a: expected a finite number, got inf"),
        (Guarded(token=SecretStr(""), raw=SecretBytes(b"\xff")), "SecretBytes cannot be JSON"),
    ],
)
def test_an_output_that_would_change_is_refused(value: object, words: str) -> None:
    with pytest.raises(IllegalTaskOutputError) as error:
        dump_output(value)
    assert words in str(error.value)


class Hidden(BaseModel):
    inner: Json[Box[SecretStr]]


def test_a_secret_that_would_arrive_as_asterisks_is_refused() -> None:
    value = Hidden.model_construct(inner=Box[SecretStr](held=SecretStr("word")))
    with pytest.raises(InvalidRun, match=r"inner\.held: this secret would not arrive as it is"):
        dump_input("w", Hidden, value)


def test_a_secret_in_a_plain_value_arrives() -> None:
    assert dump_output({"a": [SecretStr("word"), SecretBytes(b"two")]}) == '{"a":["word","two"]}'


@pytest.mark.parametrize("text", ["", "{", '{"a": {"b": 1, "b": 2}}'])
def test_a_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="invalid JSON"):
        option_value("--input", text)


def test_a_number_in_an_option_is_refused_with_its_path() -> None:
    with pytest.raises(UsageError, match=r"--input: a\.b: expected a finite number, got inf"):
        option_value("--input", '{"a": {"b": 1e400}}')


@pytest.mark.parametrize("value", [float("nan"), {1: 0, "1": 1}])
def test_metadata_that_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"metadata\['a'\]: .* is neither a text nor JSON"):
        metadata_texts("metadata", {"a": value})


def test_a_whole_number_of_any_size_is_metadata() -> None:
    assert metadata_texts("metadata", {"a": 2**70}) == {"a": str(2**70)}
