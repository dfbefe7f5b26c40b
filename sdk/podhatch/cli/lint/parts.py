"""The parts of a value that a schema knows, one level down. Used by the checks that walk both."""

from collections.abc import Iterator
from typing import Any, cast

from podhatch.api.model import JsonObject


def parts(value: Any, schema: JsonObject) -> Iterator[tuple[str | int, Any, JsonObject]]:
    """Yield the name or index, the value and the schema of each part."""
    if isinstance(value, list):
        for index, entry in enumerate(cast("list[Any]", value)):
            yield index, entry, schema.get("items", {})
    elif isinstance(value, dict):
        for name, held in cast("JsonObject", value).items():
            if name in schema.get("properties", {}):
                yield name, held, schema["properties"][name]
