"""The operator's health, and its HTTP servers: /healthz and /readyz for the kubelet's probes.

Prometheus reads /metrics on a separate port, so that a NetworkPolicy can allow only Prometheus to.
"""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from podhatch_operator.metrics import Metrics
from podhatch_operator.ops.leader import Leadership
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.watch.resync import Resync
from podhatch_operator.watch.watched import Watches

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STUCK_SECONDS = 300.0
"""A reconcile that takes longer is stuck: every request has a timeout."""


class Health:
    """The state of the operator. An empty answer means healthy."""

    def __init__(
        self, queue: Queue, resync: Resync, watches: Watches, leadership: Leadership
    ) -> None:
        self._queue = queue
        self._resync = resync
        self._watches = watches
        self._leadership = leadership

    def state(self) -> str:
        """Return the state of a healthy operator in one word."""
        return "ok" if self._leadership.leads else "standby"

    def why_restart(self) -> str:
        """Return the problems that only a restart can solve."""
        if dead := self._resync.dead_watches():
            return f"the watch is dead of: {', '.join(dead)}"
        if self._queue.longest_running() > STUCK_SECONDS:
            return f"a reconcile has not ended for {STUCK_SECONDS:.0f} s"
        return ""

    def why_not_ready(self) -> str:
        """Return why the operator is not ready to serve runs."""
        if not self._leadership.leads:
            problem = self._leadership.problem
            return f"cannot tell who leads: {problem}" if problem else ""
        if not self._resync.listed:
            return "not all kinds have been listed yet"
        if missing := self._watches.missing():
            return f"not watched yet: {', '.join(missing)}"
        return self.why_restart()


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


async def measure_lag(metrics: Metrics, every: float = 1.0) -> None:
    """Measure the lag of the event loop, every so many seconds, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every
        await asyncio.sleep(every)
        metrics.lag.set(max(loop.time() - due, 0.0))
