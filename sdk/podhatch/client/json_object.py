"""A caller's mapping or model as the JSON object that the cluster keeps.

Used where a workflow is named only, so that nothing is known of its input, and for events.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

from pydantic import BaseModel

from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_INPUT_BYTES
from podhatch.values.codec import dump_json
from podhatch.values.parsing import check_stored

Payload: TypeAlias = Mapping[str, Any] | BaseModel


def json_object(subject: str, value: Payload) -> JsonObject:
    """Return the value as plain JSON.

    Args:
        subject: What it is, for errors.
        value: A mapping, or a model, dumped under the names that its validation reads.

    Raises:
        ValueError: It is no JSON object, has more than 256 KiB, or holds a number that the API
            server would round; the text says where.
    """
    try:
        text = dump_json(dict(value) if isinstance(value, Mapping) else value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"{subject}: it is not JSON: {error}") from None
    if not text.startswith("{"):
        raise ValueError(f"{subject}: it is not a JSON object")
    if (size := len(text.encode())) > MAX_INPUT_BYTES:
        raise ValueError(
            f"{subject}: it has {size:,} bytes as JSON, {MAX_INPUT_BYTES:,} are allowed"
        )
    found: JsonObject = json.loads(text)
    check_stored(subject, found)
    return found
