"""What the API server asks of an object's metadata. Pure; called by the check of an object."""

import re
from collections.abc import Iterator
from typing import Any, cast

from podhatch.api.model import JsonObject
from podhatch.cli.errors import did_you_mean
from podhatch.cli.lint.finding import Finding, Path

FIELDS = (
    "annotations",
    "creationTimestamp",
    "deletionGracePeriodSeconds",
    "deletionTimestamp",
    "finalizers",
    "generateName",
    "generation",
    "labels",
    "managedFields",
    "name",
    "namespace",
    "ownerReferences",
    "resourceVersion",
    "selfLink",
    "uid",
)
MAX_NAME = 253
MAX_PART = 63

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_NAME = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_PART = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]*[A-Za-z0-9])?")


def metadata_findings(metadata: Any) -> Iterator[Finding]:
    """Yield what is wrong with the metadata of an object."""
    if metadata is not None and not isinstance(metadata, dict):
        yield Finding(("metadata",), "it holds fields, such as name")
        return
    fields = cast("JsonObject", metadata or {})
    for field in fields:
        if field not in FIELDS:
            yield Finding(("metadata", field), f"unknown field{did_you_mean(field, FIELDS)}")
    yield from _names(fields)
    for field in ("labels", "annotations"):
        yield from _entries(("metadata", field), fields.get(field))


def _names(fields: JsonObject) -> Iterator[Finding]:
    given = {
        each: fields[each] for each in ("name", "generateName", "namespace") if fields.get(each)
    }
    if not given.keys() & {"name", "generateName"}:
        yield Finding(("metadata", "name"), "an object needs a name")
    for field, name in given.items():
        if not isinstance(name, str):
            yield Finding(("metadata", field), f"{name!r} is not a text: put it in quotes")
        elif not _is_name(field, name):
            yield Finding(
                ("metadata", field),
                f"{name!r} cannot be one: it has lower-case letters and digits, and - between them",
            )


def _is_name(field: str, name: str) -> bool:
    if field == "namespace":
        return len(name) <= MAX_PART and bool(_LABEL.fullmatch(name))
    whole = f"{name}x" if field == "generateName" else name
    return len(name) <= MAX_NAME and bool(_NAME.fullmatch(whole))


def _entries(path: Path, entries: Any) -> Iterator[Finding]:
    """Yield what is wrong with the labels or annotations."""
    if entries is not None and not isinstance(entries, dict):
        yield Finding(path, "it holds texts by their keys")
        return
    for key, text in cast("JsonObject", entries or {}).items():
        if not _is_key(key if path[-1] == "labels" else key.lower()):
            yield Finding((*path, key), "the key is a name, such as example.com/team or team")
        if not isinstance(text, str):
            yield Finding((*path, key), f"{text!r} is not a text: put it in quotes")
        elif path[-1] == "labels" and text and not _is_part(text):
            yield Finding(
                (*path, key),
                f"{text!r} cannot be the value of a label: it has at most {MAX_PART} letters and "
                "digits, and - _ . between them",
            )


def _is_key(key: str) -> bool:
    prefix, slash, name = key.rpartition("/")
    if slash and (len(prefix) > MAX_NAME or not _NAME.fullmatch(prefix)):
        return False
    return _is_part(name)


def _is_part(text: str) -> bool:
    return len(text) <= MAX_PART and bool(_PART.fullmatch(text))
