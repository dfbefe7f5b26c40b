"""Leader election against the real API server: two candidates, one Lease."""

import asyncio
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
from podhatch.cluster import LEASE, Cluster
from podhatch_operator.ops.leader import LEASE_SECONDS, LOOK_SECONDS, RENEW_SECONDS, Elector

from tests.integration.operator import probe, process, run, running, succeeded, workflow


def candidate(cluster: Cluster, identity: str) -> Elector:
    return Elector(cluster, namespace=cluster.namespace, name="podhatch", identity=identity)


async def holder(cluster: Cluster) -> str:
    lease = await cluster.get(LEASE, cluster.namespace, "podhatch")
    return lease["spec"]["holderIdentity"]


async def test_a_standby_takes_over_within_15_seconds_of_a_kill(cluster: Cluster) -> None:
    first, second = candidate(cluster, "a"), candidate(cluster, "b")
    await first.acquire()
    holding = asyncio.create_task(first.hold())
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(LEASE_SECONDS + 2 * LOOK_SECONDS)  # longer than an unrenewed Lease lasts
    assert not waiting.done()
    assert await holder(cluster) == "a"
    holding.cancel()
    killed = time.monotonic()
    async with asyncio.timeout(15):
        await waiting
    assert time.monotonic() - killed > LEASE_SECONDS - 3
    assert await holder(cluster) == "b"
    async with asyncio.timeout(15):
        await first.hold()
    assert not first.leadership.leads
    await second.release()


async def test_a_lease_given_back_is_taken_at_once(cluster: Cluster) -> None:
    first, second = candidate(cluster, "a"), candidate(cluster, "b")
    await first.acquire()
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(LOOK_SECONDS / 2)
    await first.release()
    async with asyncio.timeout(2 * LOOK_SECONDS):
        await waiting
    assert await holder(cluster) == "b"


async def test_of_many_candidates_one_leads(cluster: Cluster) -> None:
    candidates = [candidate(cluster, f"candidate-{number}") for number in range(8)]
    waiting = [asyncio.create_task(each.acquire()) for each in candidates]
    await asyncio.sleep(3 * LOOK_SECONDS)
    assert sum(each.leadership.leads for each in candidates) == 1
    for task in waiting:
        task.cancel()


async def becomes(session: aiohttp.ClientSession, port: int, state: str, seconds: float) -> None:
    """Wait until an operator is in a state."""
    async with asyncio.timeout(seconds):
        while await probe(session, port, "readyz") != state:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_the_standby_works_once_the_leader_has_stopped(
    cluster: Cluster, unused_tcp_port_factory: Callable[[], int], tmp_path: Path
) -> None:
    first, second = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        async with running(cluster, first):
            await stack.enter_async_context(process(cluster, second, tmp_path))
            await becomes(session, second, "standby", 30)
            assert "podhatch_is_leader 1.0" in await probe(session, first, "metrics")
            await cluster.create(workflow(cluster.namespace))
            await succeeded(cluster, await cluster.create(run(cluster.namespace, "before")))
            metrics = await probe(session, second, "metrics")
            assert "podhatch_is_leader 0.0" in metrics
            assert 'podhatch_cached_objects{kind="Workflow"} 0.0' in metrics
        await becomes(session, second, "ok", 5)
        metrics = await probe(session, second, "metrics")
        assert 'podhatch_cached_objects{kind="Workflow"} 1.0' in metrics
        await succeeded(cluster, await cluster.create(run(cluster.namespace, "after")))


async def test_an_operator_that_lost_the_lead_ends_at_once(
    cluster: Cluster, unused_tcp_port: int, tmp_path: Path
) -> None:
    async with (
        aiohttp.ClientSession() as session,
        process(cluster, unused_tcp_port, tmp_path) as operator,
    ):
        await becomes(session, unused_tcp_port, "ok", 30)
        thief = {"spec": {"holderIdentity": "thief"}}
        await cluster.merge_patch(LEASE, cluster.namespace, "podhatch", thief)
        async with asyncio.timeout(2 * RENEW_SECONDS):
            assert await operator.wait() == 1


async def test_the_next_operator_takes_over_from_a_killed_one(
    cluster: Cluster, unused_tcp_port_factory: Callable[[], int], tmp_path: Path
) -> None:
    first_port, second_port = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with (
        aiohttp.ClientSession() as session,
        process(cluster, first_port, tmp_path) as operator,
    ):
        await becomes(session, first_port, "ok", 30)
        async with running(cluster, second_port, state="standby"):
            operator.kill()
            await becomes(session, second_port, "ok", 15)
