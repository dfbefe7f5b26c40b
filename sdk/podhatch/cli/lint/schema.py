"""Checks a value against a CRD's schema: unknown fields, duplicates, times, CEL rules."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from podhatch.api.model import JsonObject
from podhatch.values.parsing import did_you_mean, path_text

if TYPE_CHECKING:
    from cel_expr_python import cel

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Finding:
    """A problem in one field of an object."""

    path: Path
    message: str
    written: str = ""
    """The path as the operator's check writes it; empty for the usual form."""

    @property
    def field(self) -> str:
        """The path as users write it: `spec.tasks[0].parents`."""
        if self.written:
            return self.written
        return path_text(self.path).removesuffix(": ")


def split_field(field: str) -> Path:
    """Return the path of a field as the operator writes it: `spec.tasks[charge].parents`."""
    parts: list[tuple[str, str]] = re.findall(r"\[([^\]]*)\]|([^.\[\]]+)", field)
    return tuple(int(inner) if inner.isdecimal() else inner or name for inner, name in parts)


def field_findings(value: Any, schema: JsonObject, path: Path = ()) -> Iterator[Finding]:
    """Yield unknown fields, repeated entries and malformed times, in a value and its parts."""
    yield from _unknown(value, schema, path)
    yield from _repeated(value, schema, path)
    yield from _malformed_time(value, schema, path)
    for part, held, inner in _parts(value, schema):
        yield from field_findings(held, inner, (*path, part))


def broken_rules(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield the CEL rules that a value, or a part of it, breaks, except those on changes."""
    for each in schema.get("x-kubernetes-validations", []):
        if "oldSelf" not in each["rule"] and not _holds(each["rule"], value):
            yield Finding(path, each["message"])
    for part, held, inner in _parts(value, schema):
        yield from broken_rules(held, inner, (*path, part))


def _parts(value: Any, schema: JsonObject) -> Iterator[tuple[str | int, Any, JsonObject]]:
    """Yield name or index, value and schema of each part that the schema describes."""
    if isinstance(value, list):
        for index, entry in enumerate(cast("list[Any]", value)):
            yield index, entry, schema.get("items", {})
    elif isinstance(value, dict):
        for name, held in cast("JsonObject", value).items():
            if name in schema.get("properties", {}):
                yield name, held, schema["properties"][name]


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
    """Yield the duplicates in a list whose entries, or their keys, must be unique."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("map", "set") or not isinstance(value, list):
        return
    [key] = schema.get("x-kubernetes-list-map-keys", [None])
    seen: list[Any] = []
    for index, entry in enumerate(cast("list[Any]", value)):
        where, shown = (*path, index), entry
        if key is not None and isinstance(entry, dict):
            where, shown = (*where, key), cast("JsonObject", entry).get(key)
        if shown is not None and shown in seen:
            yield Finding(where, f"duplicate value {shown!r}")
        seen.append(shown)


def _malformed_time(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    pattern = schema.get("pattern") if schema.get("format") == "date-time" else None
    if pattern and isinstance(value, str) and not re.search(pattern, value):
        yield Finding(
            path,
            "expected a time from 1970 to 2999 with its zone, such as 2026-12-24T18:00:00+01:00, "
            f"got {value!r}",
        )


def _holds(rule: str, value: object) -> bool:
    """Return whether a value keeps a rule; the API server decides what cannot be evaluated here."""
    from cel_expr_python import cel

    answer = _environment().compile(rule).eval(data={"self": value})
    return answer.type() != cel.Type.BOOL or bool(answer.value())


@lru_cache
def _environment() -> "cel.Env":
    from cel_expr_python import cel

    return cel.NewEnv(variables={"self": cel.Type.DYN})
