"""Objects that are too large or too deep are cut down to what names them."""

import json
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from podhatch.api import labels
from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.cluster import WORKFLOW_EVENT
from podhatch.cluster.bounded import (
    MAX_LIST_BYTES,
    MAX_OBJECT_BYTES,
    MAX_OBJECT_DEPTH,
    ListTooLargeError,
    bounded_line,
    bounded_list,
    bounded_object,
    bounded_text,
    event_head,
)

from tests.unit.cluster.api_server import Answer, serving

METADATA: JsonObject = {"name": "e", "namespace": "team", "uid": "u", "resourceVersion": "7"}


def event(payload: Any, **metadata: Any) -> JsonObject:
    """Return an event as the API server writes one: metadata before spec."""
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "WorkflowEvent",
        "metadata": {**METADATA, **metadata},
        "spec": {"key": "k", "payload": payload},
        "status": {"message": "old"},
    }


def fat() -> JsonObject:
    return event([{"a": 1}] * (MAX_OBJECT_BYTES // 8))


def nested(levels: int) -> str:
    """Return the JSON text of an event that is nested so deeply."""
    return json.dumps(event("HERE")).replace('"HERE"', '{"a":' * levels + "1" + "}" * levels)


def line_of(text: str) -> bytes:
    return f'{{"type":"ADDED","object":{text}}}'.encode()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (json.dumps(fat()), "bytes, and at most 1048576 are allowed"),
        (json.dumps(event([0] * 150_000)), "holds 150"),
        (nested(MAX_OBJECT_DEPTH + 5), "nested more than 240 levels"),
        (nested(5000), "nested more than 240 levels"),
    ],
)
def test_of_an_object_that_cannot_be_held_key_and_version_stay(text: str, words: str) -> None:
    changed = json.loads(bounded_line(line_of(text)))
    read = bounded_object(text)
    (listed,) = bounded_list(f'{{"items":[{text}],"metadata":{{}}}}')["items"]
    assert changed["type"] == "ADDED"
    for cut in (changed["object"], read, listed):
        assert words in cut.pop(UNREADABLE)
        cut.pop("status", None)
        assert cut == {
            "apiVersion": "podhatch.dev/v1alpha1",
            "kind": "WorkflowEvent",
            "metadata": METADATA,
            "spec": {"workflow": UNREADABLE, "key": UNREADABLE},
        }


@pytest.mark.parametrize(
    "raw",
    [
        event({"a": 1}),
        event([[{}]] * 2000),
        event(["{[" * 10] * 500),
        event(["{[,," * 60_000]),
        event([{"a": 1}] * 33_000),
        event([0] * 60_000, managedFields=[{"f:a": {}}] * 20_000),
        event(json.loads("[" * 235 + "]" * 235)),
        event(1, managedFields=[{"fieldsV1": {"f:a": {}}}] * (MAX_OBJECT_BYTES // 20)),
    ],
)
def test_an_ordinary_object_stays_as_it_is(raw: JsonObject) -> None:
    text = json.dumps(raw, separators=(",", ":"))
    assert bounded_line(line_of(text)) == line_of(text)
    raw["metadata"].pop("managedFields", None)
    assert bounded_object(text) == raw
    assert bounded_object(f" {text}\n") == raw
    assert bounded_list(f'{{"items":[{text},{text}]}}') == {"items": [raw, raw]}


def test_the_head_of_an_event_says_which_object_has_changed() -> None:
    raw = event('"metadata":{}', annotations={"a": '"metadata":{"'})
    head = event_head(line_of(json.dumps(raw)))
    assert head == {
        "type": "ADDED",
        "object": {name: raw[name] for name in ("apiVersion", "kind", "metadata")},
    }


def test_a_line_that_is_no_object_of_ours_stays_as_it_is() -> None:
    line = b'{"type":"ERROR","object":"' + b"x" * (MAX_OBJECT_BYTES + 1) + b'"}'
    assert bounded_line(line) == line
    assert event_head(line) is None


def test_a_short_status_of_a_large_object_is_kept() -> None:
    assert bounded_object(json.dumps(fat()))["status"] == {"message": "old"}
    long = {**fat(), "status": {"message": "x" * 20_000}}
    assert "status" not in bounded_object(json.dumps(long))


def test_of_the_labels_those_are_kept_by_which_its_run_and_task_are_found() -> None:
    names = {labels.RUN: "one", labels.TASK: "a"}
    text = json.dumps({**fat(), "metadata": {**METADATA, "labels": {**names, "x": "y"}}})
    for cut in (json.loads(bounded_line(line_of(text)))["object"], bounded_object(text)):
        assert cut["metadata"]["labels"] == names


@pytest.mark.parametrize("items", [[], [event(1)], [event(1), event('a"\\{'), event(3)]])
@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_is_read_as_it_is(items: list[JsonObject], indent: int | None) -> None:
    whole = {"kind": "List", "items": items, "metadata": {"continue": "x", "n": [1]}}
    assert bounded_list(json.dumps(whole, indent=indent)) == whole


@pytest.mark.parametrize("text", ["", "{", '{"items": [', "[1]", '{"items": null', "<html>"])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting|too early|not a JSON object"):
        bounded_list(text)


def test_a_list_of_nothing_is_read() -> None:
    assert bounded_list('{"items": null, "metadata": {}}') == {"items": None, "metadata": {}}


async def chunks(count: int) -> AsyncGenerator[bytes]:
    for _ in range(count):
        yield b"x" * (1024 * 1024)


async def test_a_page_of_few_objects_is_read_however_long_it_is() -> None:
    count = MAX_LIST_BYTES // (1024 * 1024) + 1
    assert len(await bounded_text(chunks(count), 8)) > MAX_LIST_BYTES
    with pytest.raises(ListTooLargeError):
        await bounded_text(chunks(count), 9)


async def test_a_page_that_is_too_long_is_asked_for_in_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def page(*names: str, more: str = "") -> Answer:
        items = [{"metadata": {**METADATA, "name": name}, "spec": {}} for name in names]
        return Answer(body={"metadata": {"resourceVersion": "7", "continue": more}, "items": items})

    monkeypatch.setattr("podhatch.cluster.bounded.MAX_LIST_BYTES", 300)
    pages = (page("a", "b", "c", "d"), page("a", more="t"), page("b", "c"))
    async with serving(*pages) as (server, cluster):
        found = [
            raw["metadata"]["name"]
            async for items, _ in cluster.pages(WORKFLOW_EVENT, bounded=True)
            for raw in items
        ]
    assert found == ["a", "b", "c"]
    assert [each.rel_url.query["limit"] for each in server.requests] == ["500", "62", "124"]
