"""The operator's process against the real API server: start, probes, resync, stop.

The operator that the chart installed serves the same namespaces meanwhile: two at once must agree.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace

import aiohttp
import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, WORKFLOW, WORKFLOW_RUN, Cluster
from podhatch_operator.__main__ import Operator
from podhatch_operator.runtime.cache import Cache
from podhatch_operator.runtime.intake import Intake
from podhatch_operator.runtime.lean import is_finished
from podhatch_operator.runtime.metrics import Hops, Metrics
from podhatch_operator.runtime.queue import Queue
from podhatch_operator.runtime.resync import Resync
from podhatch_operator.runtime.store import place_of
from podhatch_operator.settings import Settings

from tests.integration.outage import line_to

RUNS = 5


def container_task(name: str, *parents: str) -> JsonObject:
    command = ["sh", "-c", 'echo "{}" > $PODHATCH_OUTPUT']
    container = {"image": "python:3.13-slim", "command": command}
    return {"name": name, "parents": list(parents), "container": container}


def workflow(namespace: str) -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Workflow",
        "metadata": {"name": "pair", "namespace": namespace},
        "spec": {"tasks": [container_task("a"), container_task("b", "a")]},
    }


def run(namespace: str, name: str) -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"workflow": "pair"},
    }


@asynccontextmanager
async def running(
    cluster: Cluster, port: int, server: str | None = None
) -> AsyncGenerator[Operator]:
    """Have an operator of the test's namespace running and ready."""
    connection = replace(cluster.connection, server=server or cluster.connection.server)
    settings = Settings.read(
        {"PODHATCH_WATCH_NAMESPACES": cluster.namespace, "PODHATCH_PORT": str(port)}
    )
    stop = asyncio.Event()
    operator = Operator(Cluster(connection), settings)
    process = asyncio.create_task(operator.run(stop))
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while await probe(session, port, "readyz") != "ok":
                assert not process.done()
                await asyncio.sleep(0.05)
        yield operator
    finally:
        stop.set()
        async with asyncio.timeout(15):
            code = await process
    assert code == 0


async def until(condition: Callable[[], bool]) -> None:
    """Wait for what nobody tells."""
    async with asyncio.timeout(30):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def probe(session: aiohttp.ClientSession, port: int, path: str) -> str:
    try:
        async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
            return await answer.text()
    except aiohttp.ClientConnectionError as error:
        return str(error)


async def test_two_operators_at_once_double_nothing(cluster: Cluster, unused_tcp_port: int) -> None:
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port) as operator:
        await cluster.create(workflow(namespace))
        created = [await cluster.create(run(namespace, f"run-{n}")) for n in range(RUNS)]
        for each in created:
            await succeeded(cluster, each)
        jobs, _ = await cluster.list(JOB, namespace)
        attempts = {(job["metadata"]["labels"][labels.RUN], _task(job)) for job in jobs}
        assert len(jobs) == len(attempts) == 2 * RUNS
        assert operator.cache.count(JOB) == 2 * RUNS
        registry = operator.metrics.registry
        result = {"kind": "WorkflowRun", "result": "success"}
        assert registry.get_sample_value("podhatch_reconcile_total", result)
        result = {"kind": "WorkflowRun", "result": "error"}
        assert registry.get_sample_value("podhatch_reconcile_total", result) is None


async def test_the_operator_tells_what_it_does(cluster: Cluster, unused_tcp_port: int) -> None:
    async with running(cluster, unused_tcp_port), aiohttp.ClientSession() as session:
        assert await probe(session, unused_tcp_port, "healthz") == "ok"
        metrics = await probe(session, unused_tcp_port, "metrics")
        assert 'podhatch_k8s_request_total{code="200",verb="list"}' in metrics
        assert "podhatch_hop_seconds_bucket" in metrics
        assert "process_resident_memory_bytes" in metrics


async def test_the_operator_outlives_an_outage(cluster: Cluster, unused_tcp_port: int) -> None:
    namespace = cluster.namespace
    async with line_to(cluster.connection.server) as line:
        server = f"https://127.0.0.1:{line.port}"
        async with running(cluster, unused_tcp_port, server) as operator:
            await line.cut()
            await cluster.create(workflow(namespace))
            created = await cluster.create(run(namespace, "meanwhile"))
            await line.connect()
            await succeeded(cluster, created)
            place = place_of(created)
            await until(lambda: is_finished(operator.cache.get(WORKFLOW_RUN, place) or {}))


async def test_the_operator_stops_while_it_waits_for_the_definitions(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    nowhere = Cluster(cluster.connection)
    settings = Settings.read({"PODHATCH_PORT": str(unused_tcp_port)})
    operator = Operator(nowhere, settings)
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(15):
        assert await operator.run(stop) == 0


async def test_the_resync_sees_what_no_watch_told(cluster: Cluster) -> None:
    """No watch at all here: all that is known comes from lists."""
    patience: list[float] = []

    async def sleep(seconds: float) -> None:
        patience.append(seconds)

    metrics, cache = Metrics(), Cache()
    queue = Queue(asyncio.get_running_loop(), metrics.queue)
    intake = Intake(cache, queue, Hops(metrics.hop))
    resync = Resync(cluster, cache, intake, metrics, [cluster.namespace], sleep)
    await cluster.create(workflow(cluster.namespace))
    await resync.list_all()
    assert cache.get(WORKFLOW, (cluster.namespace, "pair")) is not None

    job = suspended_job(cluster.namespace)
    await cluster.create(job)
    await resync.compare()
    assert cache.count(JOB) == 1
    assert patience
    await cluster.merge_patch(
        JOB, cluster.namespace, "job", {"metadata": {"annotations": {"a": "b"}}}
    )
    await resync.compare()
    assert "Job" in resync.dead_watches()

    await cluster.delete(JOB, cluster.namespace, "job")
    await resync.compare()
    assert cache.count(JOB) == 0
    assert "Job" not in resync.dead_watches()


def suspended_job(namespace: str) -> JsonObject:
    names = {labels.MANAGED_BY: labels.MANAGED_BY_VALUE, labels.RUN: "nobody"}
    container = {"name": "task", "image": "python:3.13-slim"}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "job", "namespace": namespace, "labels": names},
        "spec": {"suspend": True, "template": template},
    }


async def succeeded(cluster: Cluster, created: JsonObject) -> None:
    """Wait until a run has succeeded."""
    metadata = created["metadata"]
    stream = cluster.watch(
        WORKFLOW_RUN,
        metadata["namespace"],
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
    )
    async with asyncio.timeout(60):
        async for event in stream:
            phase = event.object.get("status", {}).get("phase")
            if phase == "Succeeded":
                return
            assert phase != "Failed"
    pytest.fail("the watch ended before the run")


def _task(job: JsonObject) -> str:
    name: str = job["metadata"]["labels"][labels.TASK]
    return name
