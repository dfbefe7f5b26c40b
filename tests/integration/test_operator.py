"""The operator's process against the real API server: start, probes, resync, stop.

The operator that the chart installed serves the same namespaces meanwhile: two at once must agree.
"""

import asyncio

import aiohttp
import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import has_ended
from podhatch.cluster import (
    CONFIG_MAP,
    JOB,
    WORKFLOW,
    WORKFLOW_RUN,
    Cluster,
    NamespaceTerminating,
    kind_of,
)
from podhatch_operator.__main__ import Operator
from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import place_of
from podhatch_operator.controllers.controller import ReconcileContext
from podhatch_operator.controllers.reconciler import WATCH_LIST, Reconciler
from podhatch_operator.keys import Key, run_key
from podhatch_operator.metrics import Hops, Metrics
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.queue.workers import Workers
from podhatch_operator.watch.intake import Intake
from podhatch_operator.watch.resync import Resync

from tests.integration.operator import (
    operator_of,
    probe,
    run,
    running,
    succeeded,
    until,
    workflow,
)
from tests.integration.outage import line_to
from tests.kube import kubectl

RUNS = 5


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
            await until(lambda: has_ended(operator.cache.get(WORKFLOW_RUN, place) or {}))


async def test_the_operator_stops_while_it_waits_for_the_definitions(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    operator = operator_of(cluster, unused_tcp_port)
    stop = asyncio.Event()
    stop.set()
    async with asyncio.timeout(15):
        assert await operator.run(stop) == 0


async def test_the_resync_sees_what_no_watch_told(cluster: Cluster) -> None:
    """No watch at all here: all that is known comes from lists."""
    patience: list[float] = []

    async def sleep(seconds: float) -> None:
        patience.append(seconds)

    metrics, cache = Metrics(), Cache(WATCH_LIST.indexes)
    queue = Queue(asyncio.get_running_loop(), metrics)
    intake = Intake(WATCH_LIST, cache, queue, Hops(metrics.hop))
    resync = Resync(
        cluster, WATCH_LIST.selectors, cache, intake, metrics, [cluster.namespace], sleep
    )
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


async def test_a_run_in_a_terminating_namespace_is_not_tried_again(
    cluster: Cluster, unused_tcp_port: int, caplog: pytest.LogCaptureFixture
) -> None:
    namespace = cluster.namespace
    metadata = {"name": "lingers", "namespace": namespace, "finalizers": ["podhatch.dev/test"]}
    lingering: JsonObject = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
    await cluster.create(lingering)
    await asyncio.to_thread(kubectl, "delete", "namespace", namespace, "--wait=false")
    try:
        with pytest.raises(NamespaceTerminating):
            await cluster.create({**lingering, "metadata": {**metadata, "name": "another"}})
        operator = operator_of(cluster, unused_tcp_port)
        for manifest in (workflow(namespace), run(namespace)):
            operator.intake.changed(kind_of(manifest), _stored(manifest))
        with caplog.at_level("INFO"):
            assert await _reconciled(operator, run_key(namespace, "run")) == "terminating"
        assert caplog.records == []
    finally:
        body = {"metadata": {"finalizers": None}}
        await cluster.merge_patch(CONFIG_MAP, namespace, "lingers", body)


def _stored(manifest: JsonObject) -> JsonObject:
    """Return a manifest with the metadata that the API server adds."""
    added = {
        "uid": "uid",
        "resourceVersion": "1",
        "generation": 1,
        "creationTimestamp": "2026-11-23T12:00:00Z",
    }
    return {**manifest, "metadata": {**manifest["metadata"], **added}}


async def _reconciled(operator: Operator, key: Key) -> str | None:
    """Return the result that one worker counts for a key."""
    cluster, queue, metrics = operator.cluster, operator.queue, operator.metrics
    defaults, evaluator = operator.settings.defaults, operator.evaluator
    context = ReconcileContext(
        cluster, operator.cache, queue, defaults, evaluator, WATCH_LIST, operator.hops
    )
    workers = Workers(queue, Reconciler(context).reconcile, metrics, count=1)
    try:
        queue.add(key)
        await until(lambda: _result(metrics, key) is not None)
    finally:
        queue.close()
        await workers.finish(5)
        await cluster.close()
        await operator.election.close()
    return _result(metrics, key)


def _result(metrics: Metrics, key: Key) -> str | None:
    for result in ("success", "requeue", "error", "terminating"):
        labels_of_it = {"kind": key.kind, "result": result}
        if metrics.registry.get_sample_value("podhatch_reconcile_total", labels_of_it):
            return result
    return None


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


def _task(job: JsonObject) -> str:
    name: str = job["metadata"]["labels"][labels.TASK]
    return name
