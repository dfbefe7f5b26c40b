"""Settings, logs, the HTTP server, and kopf's handlers."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import cast

import aiohttp
import kopf
import pytest
from podhatch.cluster import WORKFLOW_RUN, Cluster
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.controllers.run import observe_run
from podhatch_operator.metrics import Metrics
from podhatch_operator.ops.health import Health, measure_lag
from podhatch_operator.ops.leader import Leadership
from podhatch_operator.ops.logs import JsonFormatter
from podhatch_operator.ops.server import Server
from podhatch_operator.settings import BadSetting, Settings
from podhatch_operator.watch.handlers import taking_in
from podhatch_operator.watch.kopf_settings import EndlessBackoffs, kopf_settings
from podhatch_operator.watch.resync import Resync
from podhatch_operator.watch.watched import Watches

from tests.unit.operator.objects import NAMESPACE, run
from tests.unit.operator.operator import RUN, Operator


def test_a_setting_has_a_default() -> None:
    settings = Settings.read({})
    assert settings.namespaces == ()
    assert (settings.workers, settings.log_level) == (32, "INFO")
    assert (settings.port, settings.metrics_port) == (8080, 8081)


def test_settings_come_from_the_environment() -> None:
    settings = Settings.read(
        {
            "PODHATCH_RUNNER_IMAGE": "mine:1",
            "PODHATCH_WATCH_NAMESPACES": "a, b,",
            "PODHATCH_WORKERS": "4",
            "PODHATCH_LOG_LEVEL": "debug",
            "PODHATCH_RUN_TTL_SECONDS": "60",
            "PODHATCH_JOB_TTL_SECONDS": "",
            "PODHATCH_PRIORITY_CLASSES": "true",
            "PODHATCH_MAX_CLUSTER_ACCESS": "report",
        }
    )
    assert settings.defaults.priority_classes
    assert settings.defaults.max_cluster_access == "report"
    assert settings.runner_image == "mine:1"
    assert settings.namespaces == ("a", "b")
    assert settings.workers == 4
    assert settings.log_level == "DEBUG"
    assert (settings.defaults.run_ttl_seconds, settings.defaults.job_ttl_seconds) == (60, None)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PODHATCH_WORKERS", "many"),
        ("PODHATCH_WORKERS", "0"),
        ("PODHATCH_PORT", ""),
        ("PODHATCH_LOG_LEVEL", "loud"),
        ("PODHATCH_RUN_TTL_SECONDS", "a week"),
        ("PODHATCH_JOB_TTL_SECONDS", "-1"),
        ("PODHATCH_PRIORITY_CLASSES", "maybe"),
        ("PODHATCH_MAX_CLUSTER_ACCESS", "all"),
    ],
)
def test_a_bad_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(BadSetting, match=name):
        Settings.read({name: value})


def test_kopf_watches_only_what_is_ours() -> None:
    settings = kopf_settings(WATCH_LIST.selectors)
    selectors = {str(key): value for key, value in settings.watching.label_selectors.items()}
    assert set(selectors.values()) == {"app.kubernetes.io/managed-by=podhatch"}
    assert len(selectors) == 4
    assert settings.scanning.disabled
    assert not settings.posting.enabled


def test_backoffs_never_end_and_begin_anew_each_time() -> None:
    backoffs = EndlessBackoffs()
    for _ in range(2):
        first, *rest = [delay for delay, _ in zip(backoffs, range(50), strict=False)]
        assert first <= 0.25
        assert 7.5 <= rest[-1] <= 15.0


def test_a_log_line_is_one_json_object() -> None:
    record = logging.LogRecord("podhatch", logging.WARNING, "", 1, "it %s", ("failed",), None)
    record.namespace, record.object = "team", "run"
    line = json.loads(JsonFormatter().format(record))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "podhatch",
        "message": "it failed",
        "namespace": "team",
        "object": "run",
    }


def test_a_traceback_stays_in_the_line() -> None:
    try:
        raise ValueError("bad")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
        record = logging.LogRecord("podhatch", logging.ERROR, "", 1, "it failed", (), info)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "ValueError: bad" in json.loads(text)["traceback"]


async def test_probes_and_metrics_have_ports_of_their_own(
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


async def test_the_event_loops_lag_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    metrics = Metrics()
    measured: asyncio.Future[float] = asyncio.Future()
    monkeypatch.setattr(metrics.lag, "set", measured.set_result)
    measuring = asyncio.create_task(measure_lag(metrics, every=0.001))
    assert 0 <= await measured < 10
    measuring.cancel()


async def test_an_event_goes_into_cache_and_queue() -> None:
    operator = Operator()
    handler = taking_in(WORKFLOW_RUN, operator.intake, operator.metrics)
    await handler(event={"type": None, "object": run(1)}, logger=None)
    assert await operator.queue.get() == RUN
    operator.queue.done(RUN)
    await handler(event={"type": "MODIFIED", "object": run(1)})
    assert len(operator.queue) == 0
    await handler(event={"type": "DELETED", "object": run(2)})
    assert RUN in {await operator.queue.get() for _ in range(len(operator.queue))}
    assert observe_run(operator.cache, NAMESPACE, "run") is None


async def test_a_handler_cannot_raise(caplog: pytest.LogCaptureFixture) -> None:
    operator = Operator()
    handler = taking_in(WORKFLOW_RUN, operator.intake, operator.metrics)
    await handler(event={"type": "ADDED", "object": {"metadata": {}}})
    assert "could not be taken in" in caplog.text


def test_kopf_is_given_handlers_that_keep_nothing() -> None:
    settings = kopf_settings(WATCH_LIST.selectors)
    storage = settings.persistence.diffbase_storage
    assert storage.build(body=kopf.Body({"spec": {"a": 1}})) == {}
