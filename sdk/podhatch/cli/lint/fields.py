"""What the definitions say beyond types: which fields there are, what comes once, how times look.

Pure; called by the check of an object.
"""

import re
from collections.abc import Iterator
from typing import Any, cast

from podhatch.api.model import JsonObject
from podhatch.cli.errors import did_you_mean
from podhatch.cli.lint.finding import Finding, Path
from podhatch.cli.lint.parts import parts


def field_findings(value: Any, schema: JsonObject, path: Path = ()) -> Iterator[Finding]:
    """Yield what is wrong with a value and its parts."""
    yield from _unknown(value, schema, path)
    yield from _repeated(value, schema, path)
    yield from _unreadable(value, schema, path)
    for part, held, inner in parts(value, schema):
        yield from field_findings(held, inner, (*path, part))


def _unknown(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield the fields that the API server would drop."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or "properties" not in schema:
        return
    if isinstance(value, dict):
        for name in cast("JsonObject", value):
            if name not in schema["properties"]:
                hint = did_you_mean(name, schema["properties"])
                yield Finding((*path, name), f"unknown field{hint}")


def _repeated(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield the entries of a list that stand there already."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("map", "set") or not isinstance(value, list):
        return
    [key] = schema.get("x-kubernetes-list-map-keys", [None])
    seen: list[Any] = []
    for index, entry in enumerate(cast("list[Any]", value)):
        where, told = (*path, index), entry
        if key is not None and isinstance(entry, dict):
            where, told = (*where, key), cast("JsonObject", entry).get(key)
        if told is not None and told in seen:
            yield Finding(where, f"{told!r} stands in this list already: take one away")
        seen.append(told)


def _unreadable(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield a time that is not written as the API server wants it."""
    pattern = schema.get("pattern") if schema.get("format") == "date-time" else None
    if pattern and isinstance(value, str) and not re.search(pattern, value):
        yield Finding(
            path,
            f"{value!r} is not a time from 1970 to 2999 with its zone: write it as "
            "2026-12-24T18:00:00+01:00",
        )
