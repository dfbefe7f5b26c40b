import json
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any, Literal

import pytest
from podhatch.cli.errors import UsageError
from podhatch.cli.values import json_object, pairs, parameters, point_in_time
from pydantic import BaseModel

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_an_object_comes_from_the_word_or_a_file(tmp_path: Path):
    file = tmp_path / "order.json"
    file.write_text(json.dumps({"id": 7}))
    assert json_object("-i", '{"id": 7}') == json_object("-i", f"@{file}") == {"id": 7}
    assert json_object("-i", None) == {}


def test_a_field_is_json_where_it_can_be_and_text_where_the_schema_says_so():
    schema = {"properties": {"zip": {"type": "string"}}}
    words = ["id=7", "ok=true", "tags=[1]", "name=a=b", "zip=01234", 'note="7"']
    assert parameters(words, schema) == {
        "id": 7,
        "ok": True,
        "tags": [1],
        "name": "a=b",
        "zip": "01234",
        "note": "7",
    }
    assert parameters(None, None) == {}


class Colour(StrEnum):
    RED = "1"
    BLUE = "2"


class Inner(BaseModel):
    inner: "Inner | None" = None


class Given(BaseModel):
    note: str | None
    colour: Colour
    maybe: Colour | None
    literal: Literal["3", "4"]
    number: int | str
    share: float | str
    whole: int | None
    inner: Inner | str
    anything: Any


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("note=3", "3"),
        ("note=true", "true"),
        ("note=null", None),
        ('note="3"', "3"),
        ("colour=1", "1"),
        ("maybe=2", "2"),
        ("maybe=null", None),
        ("literal=3", "3"),
        ("number=3", 3),
        ("number=3.0", 3.0),
        ("number=3.5", "3.5"),
        ("number=true", "true"),
        ("share=3", 3),
        ("whole=3", 3),
        ("whole=x", "x"),
        ('inner={"inner": null}', {"inner": None}),
        ("inner=[1]", "[1]"),
        ("anything=3", 3),
        ("other=3", 3),
    ],
)
def test_a_field_that_may_be_a_text_is_one_where_nothing_else_fits(word: str, value: object):
    schema = Given.model_json_schema()
    [found] = parameters([word], schema).values()
    assert (found, type(found)) == (value, type(value))


def test_a_schema_that_runs_in_circles_allows_all():
    schema = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"$ref": "#/$defs/A"}}}
    assert parameters(["a=3"], schema) == {"a": 3}
    assert parameters(["a=3"], {"properties": {"a": {"$ref": "#/$defs/None"}}}) == {"a": 3}


def test_a_schema_may_be_a_reference_as_a_whole():
    whole = {"properties": {"a": {"type": ["string", "null"]}}}
    assert parameters(["a=3"], {"$ref": "#/$defs/A", "$defs": {"A": whole}}) == {"a": "3"}


@pytest.mark.parametrize("word", ["x", "=x"])
def test_what_is_no_pair_is_named(word: str):
    with pytest.raises(UsageError, match=r"-m: expected KEY=VALUE, got '=?x'"):
        pairs("-m", [word])


@pytest.mark.parametrize(
    ("text", "past", "meant"),
    [
        ("90s", True, NOW - timedelta(seconds=90)),
        ("2h", False, NOW + timedelta(hours=2)),
        ("7d", True, NOW - timedelta(days=7)),
        ("2026-12-24T18:00+01:00", False, datetime(2026, 12, 24, 17, tzinfo=UTC)),
        ("2026-12-24", False, datetime(2026, 12, 24).astimezone(UTC)),
    ],
)
def test_a_moment_is_a_period_or_a_time(text: str, past: bool, meant: datetime):
    assert point_in_time("--since", text, NOW, past=past) == meant


@pytest.mark.parametrize(
    ("text", "past"),
    [
        ("99999999d", True),
        ("99999999999d", False),
        ("9" * 400 + "w", False),
        ("0001-01-01T00:00", True),
        ("0001-01-01T00:00+14:00", True),
        ("9999-12-31T23:59-14:00", False),
    ],
)
def test_a_moment_too_far_away_is_named(text: str, past: bool):
    with pytest.raises(UsageError, match=r"^--since: the time '.*' is out of range$"):
        point_in_time("--since", text, NOW, past=past)
