"""The HTTP server of probes and metrics, and the measured lag of the event loop."""

import asyncio
from collections.abc import Callable
from typing import cast

import aiohttp
import pytest
from podhatch.cluster import Cluster
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.metrics import Metrics
from podhatch_operator.ops.leader import Leadership
from podhatch_operator.ops.server import Health, Server, measure_lag
from podhatch_operator.watch.resync import Resync
from podhatch_operator.watch.watched import Watches

from tests.unit.operator.operator import Operator


async def test_probes_and_metrics_have_separate_ports(
    unused_tcp_port_factory: Callable[[], int],
) -> None:
    port, metrics_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    operator = Operator()
    resync = Resync(
        cast("Cluster", operator.cluster),
        WATCH_LIST.selectors,
        operator.cache,
        operator.intake,
        operator.metrics,
    )
    leadership = Leadership()
    health = Health(operator.queue, resync, Watches(WATCH_LIST.selectors), leadership)
    server = Server(health, operator.metrics, port, metrics_port)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
            async with session.get("/healthz") as alive:
                assert (alive.status, await alive.text()) == (200, "standby")
            async with session.get("/readyz") as ready:
                assert (ready.status, await ready.text()) == (200, "standby")
            leadership.leads = True
            async with session.get("/readyz") as ready:
                assert ready.status == 503
                assert "listed" in await ready.text()
            async with session.get("/metrics") as nothing:
                assert nothing.status == 404
        async with aiohttp.ClientSession(f"http://127.0.0.1:{metrics_port}") as session:
            async with session.get("/healthz") as nothing:
                assert nothing.status == 404
            async with session.get("/metrics") as metrics:
                assert "podhatch_workqueue_depth 0.0" in await metrics.text()
    finally:
        await server.stop()


async def test_the_lag_of_the_event_loop_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    measured: asyncio.Future[float] = asyncio.Future()
    monkeypatch.setattr(metrics.lag, "set", measured.set_result)
    measuring = asyncio.create_task(measure_lag(metrics, every=0.001))
    assert 0 <= await measured < 10
    measuring.cancel()
