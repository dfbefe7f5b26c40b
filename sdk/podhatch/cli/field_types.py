"""Which types of JSON a schema lets a field have. Pure; called where -p is read."""

from collections.abc import Iterable
from typing import cast

from podhatch.api.model import JsonObject

ANY = frozenset({"null", "boolean", "integer", "number", "string", "array", "object"})


def field_types(schema: JsonObject, field: str) -> frozenset[str]:
    """Return the names of the types that a field of an object may have; all where none is said."""
    whole = _at(schema, schema["$ref"]) if "$ref" in schema else schema
    properties: JsonObject = (whole or {}).get("properties", {})
    return _types(properties.get(field), schema, frozenset())


def types_of(value: object) -> frozenset[str]:
    """Return the names of the types that a JSON value has."""
    match value:
        case None:
            return frozenset({"null"})
        case bool():
            return frozenset({"boolean"})
        case int():
            return frozenset({"integer", "number"})
        case float():
            return frozenset({"integer", "number"} if value.is_integer() else {"number"})
        case str():
            return frozenset({"string"})
        case list():
            return frozenset({"array"})
        case _:
            return frozenset({"object"})


def _types(part: object, root: JsonObject, seen: frozenset[str]) -> frozenset[str]:
    """Return what all that stands in a part of the schema allows together."""
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
    """Return the part of the schema that a reference such as #/$defs/Colour means."""
    found: JsonObject | None = root
    for word in reference.removeprefix("#/").split("/"):
        key = word.replace("~1", "/").replace("~0", "~")
        found = found.get(key) if isinstance(found, dict) else None
    return found
