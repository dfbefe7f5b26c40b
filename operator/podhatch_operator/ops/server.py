"""The operator's HTTP servers: /healthz and /readyz for the kubelet, /metrics for Prometheus.

Metrics have a separate port, so that a NetworkPolicy can allow only Prometheus to read them.
"""

from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from podhatch_operator.metrics import Metrics
from podhatch_operator.ops.health import Health

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Server:
    """Answers as soon as it is started, even before the operator is ready."""

    def __init__(self, health: Health, metrics: Metrics, port: int, metrics_port: int) -> None:
        probes = web.Application()
        served = {port: probes, metrics_port: probes if metrics_port == port else web.Application()}
        probes.add_routes(
            [
                web.get("/healthz", _probe(health.why_restart, health.state)),
                web.get("/readyz", _probe(health.why_not_ready, health.state)),
            ]
        )
        served[metrics_port].add_routes([web.get("/metrics", _exposition(metrics))])
        self._runners = {
            each: web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
            for each, application in served.items()
        }

    async def start(self) -> None:
        """Listen on all addresses."""
        for port, runner in self._runners.items():
            await runner.setup()
            await web.TCPSite(runner, port=port).start()

    async def stop(self) -> None:
        """Close all connections."""
        for runner in self._runners.values():
            await runner.cleanup()


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
