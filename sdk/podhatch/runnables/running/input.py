"""A run's input: from what the caller passes to the JSON object the cluster keeps.

Imports pydantic, so definitions reach for it only when they are run or written out.
"""

import json
from collections.abc import Mapping
from typing import cast

from pydantic import BaseModel, ConfigDict, PydanticUserError, ValidationError

from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_INPUT_BYTES
from podhatch.errors import InvalidRun
from podhatch.serde import CONTEXT
from podhatch.serialization import adapter, describe, dump_json, is_any_object


class EmptyModel(BaseModel):
    """The input of a workflow that declares none: nothing is needed, anything may come."""

    model_config = ConfigDict(extra="allow", frozen=True)


def dump_input(workflow: str, validator: object, value: object) -> JsonObject:
    """Return the caller's input as a JSON object, validated to what the workflow declares.

    Args:
        workflow: Name for errors.
        validator: The declared type.
        value: An instance of it, a mapping that fits it, or None for an empty one.

    Raises:
        InvalidRun: It does not fit, is no JSON object or is too large; the text names the fields.
    """
    subject = f"the input of workflow {workflow!r}"
    try:
        text = dump_json(_validated(validator, value))
    except ValidationError as error:
        raise InvalidRun(f"{subject} does not fit: {describe(error)}") from None
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRun(f"{subject} is not JSON: {error}") from None
    if not text.startswith("{"):
        raise InvalidRun(f"{subject} is not a JSON object")
    if (size := len(text.encode())) > MAX_INPUT_BYTES:
        raise InvalidRun(
            f"{subject} has {size:,} bytes as JSON, {MAX_INPUT_BYTES:,} are allowed: put the data "
            "where tasks can read it, and pass its address"
        )
    return cast("JsonObject", json.loads(text))


def input_schema(workflow: str, validator: object) -> JsonObject | None:
    """Return the JSON schema of a declared input; None when any object will do.

    Raises:
        ValueError: The type has no JSON schema.
    """
    if validator is EmptyModel or is_any_object(validator):
        return None
    try:
        return adapter(validator).json_schema(mode="validation", by_alias=True)
    except PydanticUserError as error:
        raise ValueError(f"workflow {workflow!r}: input_validator: {error.message}") from None


def _validated(validator: object, value: object) -> object:
    if isinstance(value, EmptyModel) and validator is not EmptyModel:
        value = value.model_dump()
    if value is None:
        value = {}
    if is_any_object(validator):
        if not isinstance(value, Mapping):
            raise TypeError(f"{type(value).__qualname__} is not a dict")
        return dict(cast("Mapping[object, object]", value))
    declared = adapter(validator)
    # The context is for the dump only: what comes from the user's own code was not packed by it.
    valid = declared.validate_python(value)
    return declared.dump_python(valid, mode="json", by_alias=True, context=CONTEXT)
