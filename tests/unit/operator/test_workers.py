"""Workers: what becomes of a key after its reconcile, and how they stop."""

import asyncio

import pytest
from podhatch.cluster import ApiError, NamespaceTerminating
from podhatch_operator.keys import Key, run_key
from podhatch_operator.metrics import Metrics
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.queue.workers import PlanFailed, RetryLater, Workers

from tests.unit.operator.timers import FakeTimers

KEY = run_key("team", "run")


@pytest.mark.parametrize(
    ("failure", "result"),
    [
        (None, "success"),
        (RetryLater("conflict"), "requeue"),
        (ApiError(500, "InternalError", "etcd"), "error"),
        (PlanFailed("cannot plan: KeyError"), "error"),
        (KeyError("a bug"), "error"),
    ],
)
async def test_a_key_is_done_retried_or_given_up(failure: Exception | None, result: str) -> None:
    failures = [failure]
    reconciled = asyncio.Semaphore(0)

    async def reconcile(key: Key) -> None:
        assert key == KEY
        reconciled.release()
        if failures and (first := failures.pop()):
            raise first

    metrics, timers = Metrics(), FakeTimers()
    queue = Queue(timers, metrics)
    workers = Workers(queue, reconcile, metrics, count=2)
    queue.add(KEY)
    await reconciled.acquire()
    await asyncio.sleep(0)
    if failure is not None:
        timers.pass_time(0.06)
        await reconciled.acquire()
    queue.close()
    await workers.finish(5)
    count = metrics.registry.get_sample_value(
        "podhatch_reconcile_total", {"kind": "WorkflowRun", "result": result}
    )
    assert count == 1


async def test_a_key_of_a_terminating_namespace_is_not_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reconciled = asyncio.Event()

    async def reconcile(key: Key) -> None:
        queue.add_after(key, 5)
        reconciled.set()
        raise NamespaceTerminating(403, "Forbidden", "it is being terminated")

    metrics, timers = Metrics(), FakeTimers()
    queue = Queue(timers, metrics)
    workers = Workers(queue, reconcile, metrics, count=1)
    with caplog.at_level("INFO"):
        queue.add(KEY)
        await reconciled.wait()
        await asyncio.sleep(0)
        timers.pass_time(3600)
        assert len(queue) == 0
        queue.close()
        await workers.finish(5)
    assert caplog.records == []


async def test_reconciles_under_way_are_finished_and_no_more_are_begun() -> None:
    begun, release = asyncio.Event(), asyncio.Event()
    ended: list[Key] = []

    async def reconcile(key: Key) -> None:
        begun.set()
        await release.wait()
        ended.append(key)

    metrics = Metrics()
    queue = Queue(FakeTimers(), metrics)
    workers = Workers(queue, reconcile, metrics, count=1)
    queue.add(KEY)
    queue.add(run_key("team", "other"))
    await begun.wait()
    queue.close()
    finishing = asyncio.create_task(workers.finish(5))
    await asyncio.sleep(0)
    release.set()
    await finishing
    assert ended == [KEY]


async def test_a_reconcile_that_does_not_end_is_cancelled() -> None:
    begun, cancelled = asyncio.Event(), asyncio.Event()

    async def reconcile(key: Key) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    metrics = Metrics()
    queue = Queue(FakeTimers(), metrics)
    workers = Workers(queue, reconcile, metrics, count=1)
    queue.add(KEY)
    await begun.wait()
    queue.close()
    await workers.finish(0)
    await cancelled.wait()
