"""The verbs: what is asked of the API server, what is tried again, and what is told."""

import json
from contextlib import aclosing
from datetime import UTC, datetime, timedelta

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONFIG_MAP,
    JOB,
    NODE,
    WORKFLOW_RUN,
    ApiError,
    ClusterUnreachable,
    NamespaceTerminating,
    WatchEvent,
)
from yarl import URL

from tests.unit.cluster.api_server import Answer, event_line, serving, status

RUN: JsonObject = {
    "apiVersion": "podhatch.dev/v1alpha1",
    "kind": "WorkflowRun",
    "metadata": {"name": "run", "namespace": "team"},
}
RUNS = "/apis/podhatch.dev/v1alpha1/namespaces/team/workflowruns"


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Retries do not wait here; return how long they would have."""
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("podhatch.cluster.client.sleep", sleep)
    return waits


async def test_each_verb_asks_as_kubernetes_wants() -> None:
    async with serving(Answer(body={"a": 1})) as (server, cluster):
        await cluster.create(RUN)
        await cluster.create({**RUN, "metadata": {"name": "run"}}, dry_run=True)
        await cluster.get(JOB, "team", "job")
        await cluster.apply(RUN, field_manager="me")
        await cluster.merge_patch(WORKFLOW_RUN, "team", "run", {"spec": None})
        await cluster.replace_status(RUN)
        await cluster.delete(CONFIG_MAP, "team", "map")
    asked = [
        (each.method, str(each.rel_url), each.headers.get("Content-Type", ""))
        for each in server.requests
    ]
    json_type = "application/json"
    assert asked == [
        ("POST", RUNS, json_type),
        ("POST", f"{RUNS.replace('team', 'home')}?dryRun=All", json_type),
        ("GET", "/apis/batch/v1/namespaces/team/jobs/job", ""),
        ("PATCH", f"{RUNS}/run?fieldManager=me&force=true", "application/apply-patch+yaml"),
        ("PATCH", f"{RUNS}/run", "application/merge-patch+json"),
        ("PUT", f"{RUNS}/run/status", json_type),
        ("DELETE", "/api/v1/namespaces/team/configmaps/map", json_type),
    ]
    assert json.loads(server.bodies[0]) == RUN
    assert json.loads(server.bodies[-1]) == {"propagationPolicy": "Background"}


async def test_a_list_is_all_pages() -> None:
    def page(*names: str, more: str = "") -> Answer:
        items = [{"metadata": {"name": name}} for name in names]
        return Answer(body={"metadata": {"resourceVersion": "7", "continue": more}, "items": items})

    async with serving(page("a", "b", more="token="), page("c")) as (server, cluster):
        items, version = await cluster.list(JOB, label_selector="a=b", metadata_only=True)
    assert [item["metadata"]["name"] for item in items] == ["a", "b", "c"]
    assert {(item["apiVersion"], item["kind"]) for item in items} == {("batch/v1", "Job")}
    assert version == "7"
    first, second = (request.rel_url for request in server.requests)
    assert first == URL("/apis/batch/v1/jobs?limit=500&labelSelector=a%3Db", encoded=True)
    assert second.query["continue"] == "token="
    assert "PartialObjectMetadataList" in server.requests[0].headers["Accept"]


def table(*rows: JsonObject, more: str = "") -> Answer:
    return Answer(
        body={
            "metadata": {"resourceVersion": "7", "continue": more},
            "columnDefinitions": [{"name": "Name"}, {"name": "Created"}],
            "rows": list(rows),
        }
    )


async def test_rows_are_what_kubectl_shows_by_the_columns_names() -> None:
    first, second = {"cells": ["a", "2026"]}, {"cells": ["b", "2025"]}
    async with serving(table(first, more="token"), table(second)) as (server, cluster):
        rows = await cluster.rows(JOB, "team", field_selector="spec.x=y")
    assert rows == [
        {"Name": "a", "Created": "2026", "Namespace": "team"},
        {"Name": "b", "Created": "2025", "Namespace": "team"},
    ]
    assert [r.rel_url.query["includeObject"] for r in server.requests] == ["None", "None"]
    assert "as=Table" in server.requests[0].headers["Accept"]


async def test_rows_of_all_namespaces_name_theirs() -> None:
    row = {"cells": ["a", "2026"], "object": {"metadata": {"namespace": "other"}}}
    async with serving(table(row)) as (server, cluster):
        assert (await cluster.rows(JOB))[0]["Namespace"] == "other"
    assert server.requests[0].rel_url.query["includeObject"] == "Metadata"


async def test_a_list_of_nothing_is_empty() -> None:
    empty = Answer(body={"metadata": {"resourceVersion": "7"}, "items": None})
    async with serving(empty) as (_, cluster):
        assert await cluster.list(JOB) == ([], "7")


async def test_too_many_requests_are_sent_again_when_asked(no_waiting: list[float]) -> None:
    busy = status(429, "TooManyRequests")
    busy.headers["Retry-After"] = "3"
    async with serving(busy, status(429, "TooManyRequests"), Answer()) as (server, cluster):
        await cluster.create(RUN)
    assert len(server.requests) == 3
    assert no_waiting == [3.0, 1.0]


async def test_too_many_requests_without_end_are_an_error() -> None:
    async with serving(status(429, "TooManyRequests")) as (_, cluster):
        with pytest.raises(ApiError, match="TooManyRequests"):
            await cluster.create(RUN)


async def test_credentials_are_read_again_when_they_are_not_known() -> None:
    async with serving(status(401, "Unauthorized"), Answer()) as (server, cluster):
        await cluster.get(JOB, "team", "job")
        await cluster.get(JOB, "team", "job")
    used = [request.headers["Authorization"] for request in server.requests]
    assert used == ["Bearer first", "Bearer second", "Bearer second"]


async def test_unknown_credentials_are_an_error() -> None:
    async with serving(status(401, "Unauthorized", "who?")) as (server, cluster):
        with pytest.raises(ApiError, match=r"who\? \(401 Unauthorized\)"):
            await cluster.get(JOB, "team", "job")
    assert len(server.requests) == 2


async def test_a_get_whose_connection_was_lost_is_sent_again() -> None:
    async with serving(Answer(drop=True), Answer(drop=True), Answer(body={"b": 1})) as (_, cluster):
        assert await cluster.get(JOB, "team", "job") == {"b": 1}


async def test_a_create_whose_connection_was_lost_is_not_sent_again() -> None:
    async with serving(Answer(drop=True), Answer()) as (server, cluster):
        with pytest.raises(ClusterUnreachable, match=r"127\.0\.0\.1"):
            await cluster.create(RUN)
    assert len(server.requests) == 1


async def test_a_missing_server_is_named_in_the_error(unused_tcp_port: int) -> None:
    async with serving(Answer()) as (_, cluster):
        object.__setattr__(cluster.connection, "server", f"http://127.0.0.1:{unused_tcp_port}")
        with pytest.raises(ClusterUnreachable, match=f":{unused_tcp_port} cannot be reached"):
            await cluster.get(JOB, "team", "job")


async def test_each_answer_is_counted_by_verb_and_status() -> None:
    counted: list[tuple[str, int]] = []
    async with serving(Answer(), status(404, "NotFound")) as (_, cluster):
        cluster.on_request = lambda verb, code, seconds: counted.append((verb, code))
        await cluster.create(RUN)
        with pytest.raises(ApiError):
            await cluster.get(JOB, "team", "job")
    assert counted == [("create", 200), ("get", 404)]


async def test_a_watch_yields_changes_until_the_server_ends_it() -> None:
    long = "x" * 300_000
    lines = event_line("ADDED", a=long) + event_line("BOOKMARK") + event_line("DELETED", a=1)
    chunks = [lines[:10], lines[10:200_000], lines[200_000:]]
    async with serving(Answer(chunks=chunks)) as (server, cluster):
        stream = cluster.watch(WORKFLOW_RUN, "team", name="run", resource_version="5")
        seen = [event async for event in stream]
    assert seen == [WatchEvent("ADDED", {"a": long}), WatchEvent("DELETED", {"a": 1})]
    assert dict(server.requests[0].query) == {
        "watch": "true",
        "allowWatchBookmarks": "true",
        "fieldSelector": "metadata.name=run",
        "resourceVersion": "5",
    }


async def test_a_watch_that_is_cut_ends() -> None:
    cut = Answer(chunks=[event_line("ADDED", a=1), b'{"type": "MODI'], drop=True)
    async with serving(cut) as (_, cluster):
        seen = [event async for event in cluster.watch(JOB, None)]
    assert [event.type for event in seen] == ["ADDED"]


async def test_a_watch_can_be_left_early() -> None:
    forever = Answer(chunks=[event_line("ADDED", a=1)] * 50)
    async with serving(forever) as (_, cluster), aclosing(cluster.watch(JOB, "team")) as stream:
        first = await anext(stream)
    assert first.type == "ADDED"


@pytest.mark.parametrize(
    "answer",
    [
        status(410, "Expired", "too old"),
        Answer(chunks=[event_line("ERROR", code=410, reason="Expired", message="too old")]),
    ],
)
async def test_a_watch_from_too_long_ago_is_an_error(answer: Answer) -> None:
    async with serving(answer) as (_, cluster):
        with pytest.raises(ApiError, match="too old") as error:
            await anext(cluster.watch(JOB, "team", resource_version="1"))
    assert error.value.status == 410


async def test_pages_are_as_large_as_asked_and_no_more_than_wanted() -> None:
    page = Answer(body={"metadata": {"resourceVersion": "7", "continue": "more"}, "items": [{}]})
    async with serving(page) as (server, cluster):
        pages = cluster.pages(NODE, page_size=1, field_selector="spec.workflow=a")
        async with aclosing(pages):
            async for _ in pages:
                break
    [request] = server.requests
    assert str(request.rel_url) == "/api/v1/nodes?limit=1&fieldSelector=spec.workflow%3Da"


async def test_a_delete_may_expect_a_version() -> None:
    async with serving(Answer()) as (server, cluster):
        await cluster.delete(JOB, "team", "job", uid="u", resource_version="7")
    assert json.loads(server.bodies[0])["preconditions"] == {"uid": "u", "resourceVersion": "7"}


async def test_a_log_is_read_line_by_line() -> None:
    text = (
        "2026-11-23T12:00:00.123456789Z one\n"
        "2026-11-23T13:00:00.1+01:00 \n"
        "2026-11-23T12:00:00Z two wörds\r\n"
        "2026-11-23T12:00:01Z no end"
    ).encode()
    async with serving(Answer(chunks=[text[:40], text[40:90], text[90:]])) as (server, cluster):
        log = cluster.log("team", "pod", container="task", since=datetime(2026, 1, 1, tzinfo=UTC))
        seen = [(line.time.isoformat(), line.text) async for line in log]
    assert seen == [
        ("2026-11-23T12:00:00.123456+00:00", "one"),
        ("2026-11-23T12:00:00.100000+00:00", ""),
        ("2026-11-23T12:00:00+00:00", "two wörds"),
        ("2026-11-23T12:00:01+00:00", "no end"),
    ]
    assert dict(server.requests[0].query) == {
        "container": "task",
        "timestamps": "true",
        "sinceTime": "2026-01-01T00:00:00Z",
    }


async def test_a_log_that_is_gone_is_an_error() -> None:
    gone = Answer(chunks=[b"unable to retrieve container logs for containerd://1"])
    async with serving(gone) as (_, cluster):
        with pytest.raises(ApiError, match="unable to retrieve"):
            await anext(cluster.log("team", "pod", container="task"))


async def test_a_followed_log_that_is_cut_ends_and_another_fails() -> None:
    cut = Answer(chunks=[b"2026-11-23T12:00:00Z one\n"], drop=True)
    async with serving(cut) as (_, cluster):
        seen = [each.text async for each in cluster.log("t", "p", container="task", follow=True)]
        with pytest.raises(ClusterUnreachable):
            [each async for each in cluster.log("t", "p", container="task")]
    assert seen == ["one"]


@pytest.mark.parametrize(
    ("code", "body", "text"),
    [
        (404, b'{"kind":"Status","reason":"NotFound","message":"no"}', "no (404 NotFound)"),
        (500, b'{"kind":"Status"}', "InternalServerError (500 InternalServerError)"),
        (502, b"<html>bad</html>\n", "<html>bad</html> (502 BadGateway)"),
        (502, b"[]", "[] (502 BadGateway)"),
        (999, b"", "Unknown (999 Unknown)"),
        (503, b"\xff", "\ufffd (503 ServiceUnavailable)"),
    ],
)
def test_an_error_shows_message_status_and_reason(code: int, body: bytes, text: str) -> None:
    error = ApiError.from_response(code, body)
    assert str(error) == text
    assert error.status == code


def test_a_refusal_by_a_terminating_namespace_is_recognised() -> None:
    cause = {
        "reason": "NamespaceTerminating",
        "message": "namespace a is being terminated",
        "field": "metadata.namespace",
    }
    status = {"code": 403, "reason": "Forbidden", "message": "forbidden: it is being terminated"}
    error = ApiError.from_status(403, {**status, "details": {"causes": [cause]}})
    assert isinstance(error, NamespaceTerminating)
    assert (error.status, error.reason) == (403, "Forbidden")
    for details in (None, {}, {"causes": None}, {"causes": [{"reason": "FieldValueInvalid"}]}):
        other = ApiError.from_status(403, {**status, "details": details})
        assert not isinstance(other, NamespaceTerminating)


async def test_the_time_is_that_of_the_last_answer() -> None:
    dated = Answer(headers={"Date": "Tue, 01 Jan 2030 00:00:07 GMT"})
    bad = Answer(headers={"Date": "yesterday"})
    async with serving(dated, bad) as (_, cluster):
        assert abs(cluster.now() - datetime.now(UTC)) < timedelta(minutes=1)
        await cluster.get(NODE, "", "node")
        assert cluster.now() == datetime(2030, 1, 1, 0, 0, 7, tzinfo=UTC)
        await cluster.get(NODE, "", "node")
        assert abs(cluster.now() - datetime.now(UTC)) < timedelta(minutes=1)
