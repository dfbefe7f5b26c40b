"""kopf's own watch, on a server that answers as the API server does: no list, lines of news."""

import asyncio
import json
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.cluster import WORKFLOW_EVENT, Connection, kind_of
from podhatch.cluster.connection import Credentials
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.watch.handlers import registry_of_handlers
from podhatch_operator.watch.kopf_settings import KOPF_IDENTITY, NoMemories, kopf_settings
from podhatch_operator.watch.watched import Watches

from tests.unit.operator.objects import NAMESPACE, metadata
from tests.unit.operator.operator import Operator

PLURAL = "/apis/podhatch.dev/v1alpha1/workflowevents"
VERBS = ["list", "watch", "patch"]
DISCOVERY: dict[str, JsonObject] = {
    "/api": {"versions": ["v1"]},
    "/api/v1": {
        "resources": [
            {"name": name, "kind": kind, "singularName": "", "namespaced": False, "verbs": VERBS}
            for name, kind in (("namespaces", "Namespace"), ("events", "Event"))
        ]
    },
    "/apis": {
        "groups": [
            {"name": name, "versions": [version], "preferredVersion": version}
            for name, version in (
                ("podhatch.dev", {"version": "v1alpha1"}),
                ("apiextensions.k8s.io", {"version": "v1"}),
            )
        ]
    },
    "/apis/apiextensions.k8s.io/v1": {
        "resources": [
            {
                "name": "customresourcedefinitions",
                "kind": "CustomResourceDefinition",
                "singularName": "",
                "namespaced": False,
                "verbs": VERBS,
            }
        ]
    },
    "/apis/podhatch.dev/v1alpha1": {
        "resources": [
            {
                "name": "workflowevents",
                "kind": "WorkflowEvent",
                "singularName": "workflowevent",
                "namespaced": True,
                "verbs": VERBS,
            }
        ]
    },
}


def event(name: str, version: int, size: int = 1) -> JsonObject:
    return {
        "apiVersion": WORKFLOW_EVENT.api_version,
        "kind": "WorkflowEvent",
        "metadata": metadata(name, version),
        "spec": {"key": "paid", "payload": {"text": "x" * size}},
    }


@dataclass
class ApiServer:
    """Knows one kind, and holds what a watch yields first."""

    stored: list[JsonObject]
    lists: list[web.Request] = field(default_factory=list[web.Request])
    watches: list[web.Request] = field(default_factory=list[web.Request])
    change: str = "ADDED"
    """The type of the changes in the first watch."""
    first_ends: bool = False
    """Whether the first watch ends once it has yielded what is stored."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        if request.path != PLURAL:
            return web.json_response(DISCOVERY[request.path])
        if "watch" not in request.query:
            self.lists.append(request)
            found: JsonObject = {"metadata": {"resourceVersion": "9"}, "items": self.stored[:1]}
            return web.json_response(found)
        self.watches.append(request)
        response = web.StreamResponse()
        await response.prepare(request)
        for raw in () if request.query["resourceVersion"] else self.stored:
            line = json.dumps({"type": self.change, "object": raw}, separators=(",", ":"))
            await response.write(line.encode() + b"\n")
        if not (self.first_ends and len(self.watches) == 1):
            await asyncio.sleep(60)
        return response


@asynccontextmanager
async def watching(server: ApiServer, operator: Operator) -> AsyncGenerator[None]:
    """Have kopf watch the server for the operator."""
    app = web.Application()
    app.router.add_get("/{path:.*}", server.answer)
    stop = asyncio.Event()
    async with TestServer(app) as listening:
        connection = Connection(
            server=str(listening.make_url("/")).rstrip("/"),
            namespace=NAMESPACE,
            credentials=Credentials(lambda: ""),
            ssl_context=ssl.create_default_context(),
        )
        others = asyncio.all_tasks()
        tasks = await kopf.spawn_tasks(
            registry=registry_of_handlers(
                WATCH_LIST.selectors,
                operator.intake,
                operator.metrics,
                connection,
                Watches(WATCH_LIST.selectors),
            ),
            settings=kopf_settings(WATCH_LIST.selectors),
            memories=NoMemories(),
            identity=KOPF_IDENTITY,
            clusterwide=True,
            stop_flag=stop,
        )
        running = asyncio.create_task(kopf.run_tasks(tasks, ignored=others))
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait([running], timeout=10)


async def test_kopf_watches_from_the_beginning_and_parses_no_line_that_is_too_long() -> None:
    operator = Operator()
    server = ApiServer([event("small", 7), event("fat", 8, 1_400_000), event("last", 9)])
    async with asyncio.timeout(20), watching(server, operator):
        while operator.cache.count(WORKFLOW_EVENT) < 3:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    (asked, *_) = server.lists
    assert asked.query["limit"] == "1"
    assert "PartialObjectMetadataList" in asked.headers["Accept"]
    assert server.watches[0].query["resourceVersion"] == ""
    fat = operator.cache.get(WORKFLOW_EVENT, (NAMESPACE, "fat"))
    assert fat is not None
    assert "bytes, and at most" in fat[UNREADABLE]
    assert operator.cache.version(WORKFLOW_EVENT, (NAMESPACE, "fat")) == 8


@pytest.mark.parametrize("change", ["ADDED", "MODIFIED"])
async def test_kopf_gets_no_object_that_is_known_and_goes_on_from_its_version(change: str) -> None:
    operator = Operator()
    for raw in (event("changed", 6), event("known", 9)):
        operator.intake.changed(WORKFLOW_EVENT, raw)
    stored = [event("changed", 8), event("new", 7), event("known", 9)]
    server = ApiServer(stored, change=change, first_ends=True)
    async with asyncio.timeout(20), watching(server, operator):
        while len(server.watches) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        while operator.cache.version(WORKFLOW_EVENT, (NAMESPACE, "changed")) < 8:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert operator.cache.count(WORKFLOW_EVENT) == 3
    assert [each.query["resourceVersion"] for each in server.watches[:2]] == ["", "9"]
    taken = {"kind": "WorkflowEvent"}
    count = operator.metrics.registry.get_sample_value("podhatch_watch_events_total", taken)
    assert count == 2


def test_the_kind_of_all_that_is_watched_is_known() -> None:
    for kind in WATCH_LIST.selectors:
        assert kind_of({"apiVersion": kind.api_version, "kind": kind.kind}) is kind
