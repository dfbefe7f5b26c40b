"""The hooks that users' models and outputs have in serialization."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from podhatch.values.codec import dump_json, dump_output, load_value, validate_input
from podhatch.values.hooks import is_in_hatchet_serialization_context, remove_null_unicode_character
from podhatch.values.input import dump_input
from pydantic import BaseModel, SerializationInfo, ValidationInfo, field_serializer, field_validator


class Letter(BaseModel):
    text: str

    @field_serializer("text")
    def pack(self, text: str, info: SerializationInfo) -> str:
        return text[::-1] if is_in_hatchet_serialization_context(info.context) else text

    @field_validator("text")
    @classmethod
    def unpack(cls, text: str, info: ValidationInfo) -> str:
        return text[::-1] if is_in_hatchet_serialization_context(info.context) else text


@dataclass
class Envelope:
    letter: Letter


@pytest.mark.parametrize("value", [{"text": "abc"}, Letter(text="abc")])
def test_an_input_is_packed_by_the_client_and_unpacked_in_the_pod(value: object) -> None:
    raw = dump_input("letters", Letter, value)
    assert raw == {"text": "cba"}
    assert validate_input(raw, Letter) == Letter(text="abc")


@pytest.mark.parametrize(
    ("value", "packed"),
    [
        (Letter(text="abc"), '{"text":"cba"}'),
        (Envelope(Letter(text="abc")), '{"letter":{"text":"cba"}}'),
    ],
)
def test_an_output_is_packed_in_the_pod_and_unpacked_by_who_reads_it(
    value: object, packed: str
) -> None:
    assert dump_output(value) == packed
    assert load_value(packed, type(value)) == value


def test_a_packed_value_may_be_inside_a_list() -> None:
    assert dump_json([Letter(text="abc")]) == '[{"text":"cba"}]'


def test_users_own_dumps_are_left_alone() -> None:
    assert Letter(text="abc").model_dump() == {"text": "abc"}
    assert Letter.model_validate({"text": "abc"}, context={"other": 1}).text == "abc"
    assert not is_in_hatchet_serialization_context(None)


def test_a_null_character_is_a_character() -> None:
    text = dump_output({"a\x00": "\x00"})
    assert text == r'{"a\u0000":"\u0000"}'
    assert json.loads(text) == {"a\x00": "\x00"}


@pytest.mark.parametrize(
    ("data", "cleaned"),
    [
        ("a\x00b", "ab"),
        ({"a\x00": ["\x00", ("b\x00", 3)]}, {"a": ["", ("b", 3)]}),
        (None, None),
    ],
)
def test_null_characters_are_removed_for_who_asks(data: Any, cleaned: object) -> None:
    assert remove_null_unicode_character(data) == cleaned
    assert remove_null_unicode_character("\x00", "?") == "?"
