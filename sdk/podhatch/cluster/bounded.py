"""Objects that are too large or too deep to be held, cut down to what names them as they arrive.

Anybody who may create an object may make it 1.5 MB of tiny JSON values, which Python holds in forty
times the room, or nest it so deeply that no parser of ours survives it.
"""

import json
import re
from collections.abc import AsyncIterator
from typing import Any, cast

from podhatch.api.labels import RUN, TASK
from podhatch.api.model import UNREADABLE, JsonObject

MAX_OBJECT_BYTES = 1024 * 1024
"""Of a whole object as JSON, without its managedFields."""
MAX_OBJECT_DEPTH = 240
"""pydantic serializes at most 255 levels."""
MAX_OBJECT_VALUES = 100_000
"""Many tiny values cost the most memory: an input of 256 KiB may have 64,000."""
MAX_LIST_BYTES = 16 * 1024 * 1024
"""A longer page of a list is asked for again with fewer objects, as long as it has more than
LEAST_PAGE_SIZE."""
LEAST_PAGE_SIZE = 8

_METADATA = '"metadata":'
_KEPT_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
)
_KEPT_LABELS = (RUN, TASK)
_CUT_SPEC = {"workflow": UNREADABLE, "key": UNREADABLE}
"""The fields by which objects are grouped."""
_MAX_STATUS_BYTES = 16 * 1024
_NO_BRACKETS = bytes(set(range(256)) - set(b"{}[]"))
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\]]')
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"')
_SPACE = re.compile(r"[ \t\r\n]*")
_decode = json.JSONDecoder().raw_decode


class ListTooLargeError(Exception):
    """The answer to a list request is longer than what is read of one."""


def bounded_line(line: bytes) -> bytes:
    """Return a line of a watch stream, with its object cut down where it cannot be held."""
    if len(line) <= MAX_OBJECT_BYTES and not _is_deep(line) and not _values(line):
        return line
    event = event_head(line)
    if event is None:
        return line
    why = _why_unreadable(line, event["object"]["metadata"])
    if why is None:
        return line
    event["object"] = _cut(event["object"], why)
    return json.dumps(event).encode()


def event_head(line: bytes) -> JsonObject | None:
    """Return the event of a line with its object's kind and metadata alone; None if it has none."""
    text = line.decode()
    start = text.find(_METADATA)
    if start < 0:
        return None
    event: JsonObject = json.loads(text[:start].rstrip(", ") + "}}")
    event["object"]["metadata"], _ = _decode(text, _skip(text, start + len(_METADATA)))
    return event


def bounded_object(text: str) -> JsonObject:
    """Return the object of a JSON text without managedFields, cut down where it cannot be held."""
    return _object_at(text, _skip(text, 0))[0]


def bounded_list(text: str) -> JsonObject:
    """Return a list of objects from its JSON text, one object parsed after the other.

    Raises:
        ValueError: it is not a JSON object.
    """
    result: JsonObject = {}
    try:
        if not text.startswith("{"):
            raise ValueError("the list is not a JSON object")
        at = _skip(text, 0, "{")
        while text[at] != "}":
            name, at = _decode(text, at)
            at = _skip(text, at, ":")
            inside = name == "items" and text[at] == "["
            result[name], at = _items(text, at) if inside else _decode(text, at)
            at = _skip(text, at, ",")
    except IndexError:
        raise ValueError("the list ends too early") from None
    return result


async def bounded_text(chunks: AsyncIterator[bytes], page_size: int) -> str:
    """Read the answer to a list request.

    Raises:
        ListTooLargeError: it is too long, and a smaller page can be asked for.
    """
    parts: list[bytes] = []
    room = MAX_LIST_BYTES
    async for chunk in chunks:
        room -= len(chunk)
        if room < 0 and page_size > LEAST_PAGE_SIZE:
            raise ListTooLargeError
        parts.append(chunk)
    return b"".join(parts).decode()


def _items(text: str, at: int) -> tuple[list[JsonObject], int]:
    items: list[JsonObject] = []
    at = _skip(text, at + 1)
    while text[at] != "]":
        item, at = _object_at(text, at)
        items.append(item)
        at = _skip(text, at, ",")
    return items, at + 1


def _object_at(text: str, start: int) -> tuple[JsonObject, int]:
    """Return the object that starts there without managedFields, and where it ends."""
    try:
        parsed, end = _decode(text, start)
    except RecursionError:
        end = _end_of(text, start)
        parsed = _head(text[start:end])
    raw = cast("JsonObject", parsed)
    why = _why_unreadable(text[start:end].encode(errors="replace"), raw["metadata"])
    if why is not None:
        return _cut(raw, why), end
    raw["metadata"].pop("managedFields", None)  # of a page of objects, half the memory
    return raw, end


def _head(text: str) -> JsonObject:
    """Return the text before an object's spec, where the API server puts its metadata."""
    start = text.index(_METADATA)
    metadata, _ = _decode(text, _skip(text, start + len(_METADATA)))
    return {**json.loads(text[:start].rstrip(", ") + "}"), "metadata": metadata}


def _end_of(text: str, start: int) -> int:
    depth = 0
    for token in _TOKEN.finditer(text, start):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        if depth == 0:
            return token.end()
    raise IndexError


def _skip(text: str, at: int, mark: str = "") -> int:
    """Return the next place after any space, and after the mark if it is there."""
    found = _SPACE.match(text, at)
    at = found.end() if found else at
    if mark and text[at : at + 1] == mark:
        return _skip(text, at + 1)
    return at


def _is_deep(text: bytes) -> bool:
    """Whether JSON may be nested too deeply; brackets in its strings count, too."""
    if text.count(b"{") + text.count(b"[") <= MAX_OBJECT_DEPTH:
        return False
    brackets = text.translate(None, _NO_BRACKETS)
    for _ in range(MAX_OBJECT_DEPTH):
        fewer = brackets.replace(b"{}", b"").replace(b"[]", b"")
        if len(fewer) == len(brackets):
            break
        brackets = fewer
    return bool(brackets) and _depth(text.decode(errors="replace")) > MAX_OBJECT_DEPTH


def _depth(text: str) -> int:
    deepest = depth = 0
    for token in _TOKEN.finditer(text):
        depth += {"{": 1, "[": 1, "}": -1, "]": -1}.get(token[0], 0)
        deepest = max(deepest, depth)
    return deepest


def _values(text: bytes) -> int:
    """Return how many values JSON holds, or 0 if they are few."""
    if text.count(b",") + text.count(b"{") + text.count(b"[") <= MAX_OBJECT_VALUES:
        return 0
    return _exact_values(text)


def _exact_values(text: bytes) -> int:
    bare = _STRING.sub(b"", text)
    return bare.count(b",") + bare.count(b"{") + bare.count(b"[")


def _why_unreadable(text: bytes, metadata: JsonObject) -> str | None:
    size, values = len(text), _values(text)
    if size > MAX_OBJECT_BYTES or values > MAX_OBJECT_VALUES:
        managed = json.dumps(metadata.get("managedFields", []), separators=(",", ":")).encode()
        size, values = size - len(managed), values - _exact_values(managed)
    if size > MAX_OBJECT_BYTES:
        return (
            f"the object has {size} bytes, and at most {MAX_OBJECT_BYTES} are allowed: store the "
            "data elsewhere and pass its address"
        )
    if values > MAX_OBJECT_VALUES:
        return (
            f"the object holds {values} values, and at most {MAX_OBJECT_VALUES} are allowed: store "
            "the data elsewhere and pass its address"
        )
    if _is_deep(text):
        return f"the object is nested more than {MAX_OBJECT_DEPTH} levels deep: flatten it"
    return None


def _cut(raw: JsonObject, why: str) -> JsonObject:
    """Return key and version of an object, its status if that is short, and no more."""
    metadata = {name: raw["metadata"][name] for name in _KEPT_METADATA if name in raw["metadata"]}
    found: JsonObject = raw["metadata"].get("labels", {})
    if kept := {name: found[name] for name in _KEPT_LABELS if name in found}:
        metadata["labels"] = kept
    cut: JsonObject = {"metadata": metadata, "spec": dict(_CUT_SPEC), UNREADABLE: why}
    cut |= {name: raw[name] for name in ("apiVersion", "kind") if name in raw}
    status: Any = raw.get("status")
    if status and len(json.dumps(status)) <= _MAX_STATUS_BYTES:
        cut["status"] = status
    return cut
