"""Parses the values of options: JSON objects, KEY=VALUE pairs, inputs and times."""

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import NoneType
from typing import cast

from podhatch.api.model import JsonObject
from podhatch.cli.errors import UsageError, usage_errors
from podhatch.cli.lookup import find_object
from podhatch.client.session import Session
from podhatch.cluster import WORKFLOW
from podhatch.values.duration import parse_duration
from podhatch.values.parsing import check_stored, load_json


def json_object(option: str, text: str | None) -> JsonObject:
    """Return the JSON object in a text, in the file after @, or in standard input for -."""
    if text is None:
        return {}
    source = _content(option, text)
    try:
        value = load_json(source)
    except ValueError as error:
        raise UsageError(f"{option}: invalid JSON: {error}") from None
    _check(option, value)
    if not isinstance(value, dict):
        raise UsageError(f'{option}: expected a JSON object, such as \'{{"name": "World"}}\'')
    return cast("JsonObject", value)


def pairs(option: str, words: Sequence[str] | None) -> dict[str, str]:
    """Return the pairs in words of the form KEY=VALUE."""
    found: dict[str, str] = {}
    for word in words or ():
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise UsageError(f"{option}: expected KEY=VALUE, got {word!r}")
        found[key] = value
    return found


def parameters(words: Sequence[str] | None, schema: JsonObject | None) -> JsonObject:
    """Return the fields of an input given as KEY=VALUE.

    A value that is valid JSON is parsed, unless the workflow's schema allows a string and does not
    allow a value of that type; any other value is a string.
    """
    found = {
        key: _json_or_text(value, field_types(schema or {}, key))
        for key, value in pairs("-p", words).items()
    }
    _check("-p", found)
    return found


async def workflow_and_input(
    session: Session, workflow: str, given: JsonObject, fields: Sequence[str] | None
) -> tuple[str, JsonObject]:
    """Return the name of the workflow's object, and the input of its run.

    The fields override those of the same name in the given input.
    """
    stored = await find_object(session.cluster, WORKFLOW, session.namespace, workflow)
    values = given | parameters(fields, stored["spec"].get("inputSchema"))
    return str(stored["metadata"]["name"]), values


def point_in_time(option: str, text: str, now: datetime, *, past: bool) -> datetime:
    """Return a time from a period before or after now, such as 30m, or from ISO 8601.

    A time without a zone is in the local time zone.
    """
    period = parse_duration(text)
    try:
        found = datetime.fromisoformat(text) if period is None else now
    except ValueError:
        raise UsageError(
            f"{option}: expected a period such as 30m, 1h30m or 7d, or a time such as "
            f"2026-12-24T18:00, got {text!r}"
        ) from None
    try:
        if period is None:
            return found.astimezone(UTC)
        distance = timedelta(seconds=period)
        return now - distance if past else now + distance
    except (OverflowError, ValueError):
        raise UsageError(f"{option}: the time {text!r} is out of range") from None


def _content(option: str, text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{option}: cannot read file {text[1:]}: {error}") from None


def _check(option: str, value: object) -> None:
    with usage_errors():
        check_stored(option, value)


def _json_or_text(text: str, allowed: frozenset[str]) -> object:
    if allowed == frozenset({"string"}) or text in ("NaN", "Infinity", "-Infinity"):
        return text
    try:
        value = load_json(text)
    except ValueError:
        return text
    return text if "string" in allowed and not types_of(value) & allowed else value


_TYPES: dict[type[object], str] = {
    NoneType: "null",
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
}
"""The JSON type of each type of Python."""
ANY = frozenset(_TYPES.values())


def field_types(schema: JsonObject, field: str) -> frozenset[str]:
    """Return the JSON types that a schema allows for a field; all types if it names none."""
    whole = _at(schema, schema["$ref"]) if "$ref" in schema else schema
    properties: JsonObject = (whole or {}).get("properties", {})
    return _types(properties.get(field), schema, frozenset())


def types_of(value: object) -> frozenset[str]:
    """Return the JSON types of a value; a whole number is of two."""
    name = _TYPES[type(value)]
    is_whole = name == "integer" or (isinstance(value, float) and value.is_integer())
    return frozenset({"integer", "number"} if is_whole else {name})


def _types(part: object, root: JsonObject, seen: frozenset[str]) -> frozenset[str]:
    """Return the types that all keywords in a part of the schema allow together."""
    if not isinstance(part, dict):
        return ANY
    found, rules = ANY, cast("JsonObject", part)
    if "type" in rules:
        names: str | list[str] = rules["type"]
        found &= frozenset([names] if isinstance(names, str) else names)
    if "const" in rules:
        found &= types_of(rules["const"])
    if "enum" in rules:
        found &= _union(types_of(value) for value in rules["enum"])
    for choice in ("anyOf", "oneOf"):
        if choice in rules:
            found &= _union(_types(each, root, seen) for each in rules[choice])
    for each in rules.get("allOf", []):
        found &= _types(each, root, seen)
    reference = str(rules.get("$ref", ""))
    if reference.startswith("#/") and reference not in seen:
        found &= _types(_at(root, reference), root, seen | {reference})
    return found


def _union(each: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset[str]().union(*each)


def _at(root: JsonObject, reference: str) -> JsonObject | None:
    """Return the part of the schema that a reference such as #/$defs/Colour names."""
    found: JsonObject | None = root
    for word in reference.removeprefix("#/").split("/"):
        key = word.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found
