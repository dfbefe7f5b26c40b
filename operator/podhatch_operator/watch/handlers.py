"""kopf's handlers: each event goes into the cache, and its keys into the queue."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import aclosing
from typing import Any, cast

import aiohttp
import kopf
from podhatch.api.model import JsonObject
from podhatch.cluster import Connection, Kind
from podhatch.cluster.bounded import bounded_line, event_head
from podhatch.cluster.client import METADATA_ONLY
from podhatch.cluster.streams import lines

from podhatch_operator.metrics import Metrics
from podhatch_operator.watch.intake import Intake
from podhatch_operator.watch.watched import Watches

logger = logging.getLogger(__name__)

_CHANGES = (b'{"type":"ADDED"', b'{"type":"MODIFIED"')
"""How the lines of a watch begin that hold an object as it is now."""


def registry_of_handlers(
    kinds: Iterable[Kind],
    intake: Intake,
    metrics: Metrics,
    connection: Connection,
    watches: Watches,
) -> kopf.OperatorRegistry:
    """Return the registry to run kopf with."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(id="login", registry=registry)(_login(connection, watches, intake.is_known))
    for kind in kinds:
        on_event = kopf.on.event(
            kind.group, kind.version, kind.plural, id=kind.plural, registry=registry
        )
        on_event(taking_in(kind, intake, metrics))
    return registry


def taking_in(kind: Kind, intake: Intake, metrics: Metrics) -> Callable[..., Awaitable[None]]:
    """Return the handler of a kind's events."""
    count = metrics.events.labels(kind.kind)

    async def take_in(event: Any, **_: Any) -> None:
        """Do no I/O and raise nothing: kopf stops the operator after an exception."""
        try:
            count.inc()
            if event["type"] == "DELETED":
                intake.deleted(kind, event["object"])
            else:
                intake.changed(kind, event["object"])
        except asyncio.CancelledError:
            raise
        except BaseException:
            logger.exception("an event of %s could not be taken in", kind.plural)

    return take_in


class BoundedLines:
    """The content of a watch, as kopf reads it: what is new, with each line bounded."""

    def __init__(
        self, content: aiohttp.StreamReader, is_known: Callable[[JsonObject], bool]
    ) -> None:
        self._content = content
        self._is_known = is_known

    def __getattr__(self, name: str) -> Any:
        """Return the other attributes that aiohttp uses."""
        return getattr(self._content, name)

    async def iter_chunked(self, size: int) -> AsyncIterator[bytes]:
        """Yield whole lines."""
        async with aclosing(lines(self._content.iter_chunked(size))) as stream:
            async for line in stream:
                yield self._news(bounded_line(line)) + b"\n"

    def _news(self, line: bytes) -> bytes:
        """Return the line; a bookmark of its version if it holds an object that is known.

        A watch that begins yields all objects, and each write of ours comes back. kopf would keep
        each of them, with a task of its own, for a second.
        """
        event = event_head(line) if line.startswith(_CHANGES) else None
        if event is None or not self._is_known(event["object"]):
            return line
        version: str = event["object"]["metadata"]["resourceVersion"]
        bookmark = {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": version}}}
        return json.dumps(bookmark).encode()


async def _without_list(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    """Return an empty list, so that kopf watches from the beginning.

    A watch without a version first yields all objects, a line each; a page of a list is parsed at
    once, and may be a hundred times as large as the operator's memory.
    """
    request.url = request.url.with_query(limit=1)
    request.headers["Accept"] = METADATA_ONLY
    response = await handler(request)

    async def nothing() -> Any:
        return {"items": [], "metadata": {"resourceVersion": ""}}

    if response.status == 200:
        cast("Any", response).json = nothing
    return response


def _login(
    connection: Connection, watches: Watches, is_known: Callable[[JsonObject], bool]
) -> Callable[..., Awaitable[Any]]:
    async def note_watch(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        query = request.url.query
        if "limit" in query:
            return await _without_list(request, handler)
        response = await handler(request)
        if response.status == 200 and "watch" in query:
            watches.opened(request.url.path)
            content = BoundedLines(response.content, is_known)
            response.content = cast("aiohttp.StreamReader", content)
        return response

    async def login(**_: Any) -> kopf.AiohttpSession:
        """Called again when the API server rejects the credentials."""
        connection.credentials.expire()
        return kopf.AiohttpSession(
            server=connection.server,
            default_namespace=connection.namespace,
            aiohttp_session=connection.session(note_watch),
        )

    return login
