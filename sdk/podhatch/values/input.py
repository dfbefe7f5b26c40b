"""A run's input: from what the caller passes to the JSON object the cluster keeps.

Imports pydantic, so definitions reach for it only when they are run or written out.
"""

from collections.abc import Mapping
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError

from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_INPUT_BYTES
from podhatch.errors import InvalidRun
from podhatch.values.codec import adapter, describe, dump, dump_json, is_any_object, validate_input
from podhatch.values.parsing import check_stored, load_json

Payload: TypeAlias = Mapping[str, Any] | BaseModel
"""A JSON object as callers pass it."""


class EmptyModel(BaseModel):
    """The input of a workflow that declares none: nothing is needed, anything may come."""

    model_config = ConfigDict(extra="allow", frozen=True)


def dump_input(workflow: str, validator: object, value: object) -> JsonObject:
    """Return the caller's input as a JSON object, validated to what the workflow declares.

    `value` is an instance of that, a mapping that fits it, or None for an empty one.

    Raises:
        InvalidRun: It does not fit, is not a JSON object or is too large.
    """
    subject = f"the input of workflow {workflow!r}"
    try:
        text = dump_json(_validated(validator, value))
    except ValidationError as error:
        raise InvalidRun(f"{subject} does not fit: {describe(error)}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRun(f"{subject} is not JSON: {error}") from None
    return _json_object(subject, text)


def check_input(workflow: str, validator: object, text: str) -> JsonObject:
    """Return as a JSON object, unchanged, what `dump_input` made or somebody wrote by hand.

    Raises:
        InvalidRun: It does not fit, is not a JSON object or is too large.
    """
    raw = _json_object(f"the input of workflow {workflow!r}", text)
    try:
        validate_input(raw, validator)
    except InvalidRun as error:
        raise InvalidRun(f"workflow {workflow!r}: {error}") from None
    return raw


def input_schema(workflow: str, validator: object) -> JsonObject | None:
    """Return the JSON schema of a declared input; None when any object will do.

    A field with an alias may come under either name, as when the input is validated.

    Raises:
        ValueError: The type has no JSON schema.
    """
    if validator is EmptyModel or is_any_object(validator):
        return None
    try:
        named = adapter(validator).json_schema(mode="validation", by_alias=False)
        aliased = adapter(validator).json_schema(mode="validation", by_alias=True)
    except PydanticUserError as error:
        raise ValueError(f"workflow {workflow!r}: input_validator: {error.message}") from None
    return named if named == aliased else _with_both_names(named, aliased)


def _with_both_names(named: Any, aliased: Any) -> Any:
    """Return a schema that takes fields by their names and by their aliases."""
    if isinstance(named, list) and isinstance(aliased, list):
        pairs = zip(cast("list[Any]", named), cast("list[Any]", aliased), strict=False)
        return [_with_both_names(*pair) for pair in pairs]
    if not isinstance(named, dict) or not isinstance(aliased, dict):
        return cast("object", named)
    schema, other = cast("JsonObject", named), cast("JsonObject", aliased)
    merged: JsonObject = {
        key: _with_both_names(part, other.get(key, part)) for key, part in schema.items()
    }
    fields: JsonObject = schema.get("properties", {})
    if schema.get("type") != "object" or not fields:
        return merged
    alias_of = dict(zip(fields, other["properties"], strict=True))
    merged["properties"] = {
        each: _with_both_names(fields[name], other["properties"][alias])
        for name, alias in alias_of.items()
        for each in (name, alias)
    }
    required: list[str] = schema.get("required", [])
    merged["required"] = [name for name in required if alias_of[name] == name]
    merged["allOf"] = [
        {"anyOf": [{"required": [name]}, {"required": [alias_of[name]]}]}
        for name in required
        if alias_of[name] != name
    ]
    return {key: part for key, part in merged.items() if part or key not in ("required", "allOf")}


def json_object(subject: str, value: Payload) -> JsonObject:
    """Return a caller's mapping or model as the JSON object that the cluster stores.

    Raises:
        ValueError: It is not a JSON object, has more than 256 KiB, or holds a number that the API
            server would round; the text says where.
    """
    try:
        text = dump_json(dict(value) if isinstance(value, Mapping) else value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{subject} is not JSON: {error}") from None
    return _parsed(subject, text)


def _json_object(subject: str, text: str) -> JsonObject:
    try:
        return _parsed(subject, text)
    except ValueError as error:
        raise InvalidRun(str(error)) from None


def _parsed(subject: str, text: str) -> JsonObject:
    try:
        value: object = load_json(text)
    except ValueError as error:
        raise ValueError(f"{subject} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ValueError(f"{subject} is not a JSON object")
    if (size := len(text.encode())) > MAX_INPUT_BYTES:
        raise ValueError(
            f"{subject} has {size:,} bytes as JSON, {MAX_INPUT_BYTES:,} are allowed: put the data "
            "where tasks can read it, and pass its address"
        )
    found = cast("JsonObject", value)
    check_stored(subject, found)
    return found


def _validated(validator: object, value: object) -> object:
    if value is None:
        value = {}
    if type(value) is EmptyModel and validator is not EmptyModel:
        value = dict(value)
    if is_any_object(validator):
        if not isinstance(value, Mapping):
            raise TypeError(f"{type(value).__qualname__} is not a dict")
        return dict(cast("Mapping[object, object]", value))
    # The context is for the dump only: what comes from the user's own code was not packed by it.
    valid = adapter(validator).validate_python(value, by_alias=True, by_name=True)
    if validator is EmptyModel:
        return dict(valid) if type(valid) is EmptyModel else valid
    return dump(validator, valid)
