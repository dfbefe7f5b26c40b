"""kopf's handlers: each event goes into the cache, and its keys into the queue. Nothing else."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf
from podhatch.cluster import Connection, Kind

from podhatch_operator.runtime.health import Watches
from podhatch_operator.runtime.intake import Intake
from podhatch_operator.runtime.metrics import Metrics
from podhatch_operator.runtime.watched import WATCHED

logger = logging.getLogger(__name__)


def registry_of_handlers(
    intake: Intake, metrics: Metrics, connection: Connection, watches: Watches
) -> kopf.OperatorRegistry:
    """Return the registry to run kopf with."""
    registry = kopf.OperatorRegistry()
    kopf.on.login(id="login", registry=registry)(_login(connection, watches))
    for watched in WATCHED:
        kind = watched.kind
        on_event = kopf.on.event(
            kind.group, kind.version, kind.plural, id=kind.plural, registry=registry
        )
        on_event(taking_in(kind, intake, metrics))
    return registry


def taking_in(kind: Kind, intake: Intake, metrics: Metrics) -> Callable[..., Awaitable[None]]:
    """Return the handler of a kind's events."""
    count = metrics.events.labels(kind.kind)

    async def take_in(event: Any, **_: Any) -> None:
        """No input or output here, and no way to raise: kopf stops the operator if one does."""
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


def _login(connection: Connection, watches: Watches) -> Callable[..., Awaitable[Any]]:
    async def note_watch(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        response = await handler(request)
        if response.status == 200 and "watch" in request.url.query:
            watches.opened(request.url.path)
        return response

    async def login(**_: Any) -> kopf.AiohttpSession:
        """Called again when the API server does not know us any more."""
        connection.credentials.expire()
        return kopf.AiohttpSession(
            server=connection.server,
            default_namespace=connection.namespace,
            aiohttp_session=connection.session(note_watch),
        )

    return login
