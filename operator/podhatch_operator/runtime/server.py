"""The operator's HTTP server: /healthz and /readyz for the kubelet, /metrics for Prometheus."""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from podhatch_operator.runtime.health import Health
from podhatch_operator.runtime.metrics import Metrics

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers from the moment it is started, also before the operator is ready."""

    def __init__(self, health: Health, metrics: Metrics, port: int) -> None:
        application = web.Application()
        application.add_routes(
            [
                web.get("/healthz", _probe(health.why_restart, health.state)),
                web.get("/readyz", _probe(health.why_not_ready, health.state)),
                web.get("/metrics", _exposition(metrics)),
            ]
        )
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
        self._port = port

    async def start(self) -> None:
        """Listen on all addresses."""
        await self._runner.setup()
        await web.TCPSite(self._runner, port=self._port).start()

    async def stop(self) -> None:
        """Close all connections."""
        await self._runner.cleanup()


def _probe(why_not: Callable[[], str], state: Callable[[], str]) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        problem = why_not()
        return web.Response(text=problem or state(), status=503 if problem else 200)

    return answer


def _exposition(metrics: Metrics) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        headers = {"Content-Type": CONTENT_TYPE_PLAIN_0_0_4}
        return web.Response(body=generate_latest(metrics.registry), headers=headers)

    return answer
