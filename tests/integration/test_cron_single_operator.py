"""Crons with one operator, which ends at bad moments or is away; the chart's own is at rest.

It has the chart's roles and no others: a request they do not allow is seen as a 403.
"""

import asyncio
from pathlib import Path

import pytest
from podhatch.cluster import CRON_JOB, JOB, Cluster

from tests.integration.crons import condition, cron, runs, ticks, until, workflow
from tests.integration.operator import process, running
from tests.integration.test_single_operator import at_rest, limited, refused_requests

__all__ = ["at_rest", "limited"]

FAULTS = (
    "before create CronJob:1",
    "after create CronJob:1",
    "before create WorkflowRun:1",
    "after create WorkflowRun:1",
    "after create WorkflowRun:2",
    "before status Job:1",
    "after status Job:1",
    "before status Job:3",
    "after status CronWorkflow:2",
)


@pytest.mark.parametrize("fault", FAULTS)
async def test_an_operator_that_is_killed_leaves_one_run_a_tick(
    cluster: Cluster, unused_tcp_port: int, tmp_path: Path, fault: str
) -> None:
    namespace, names = cluster.namespace, ["tick-1", "tick-2"]
    await cluster.create(workflow(namespace))
    await cluster.create(cron(namespace))
    async with process(cluster, unused_tcp_port, tmp_path, PODHATCH_FAULT=fault) as killed:
        ticking = asyncio.create_task(ticks(cluster, names))
        async with asyncio.timeout(60):
            assert await killed.wait() != 0
    async with running(cluster, unused_tcp_port, PODHATCH_IDENTITY="process"):
        await ticking
        for name in names:
            await until(cluster, JOB, name, lambda job: condition(job, "Complete"))
    assert await runs(cluster) == names


async def test_ticks_during_downtime_of_the_operator_start_runs(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace, names = cluster.namespace, ["away-1", "away-2"]
    await cluster.create(workflow(namespace))
    await cluster.create(cron(namespace))
    async with running(cluster, unused_tcp_port):
        await until(cluster, CRON_JOB, "nightly", bool)
    await ticks(cluster, names)
    async with running(cluster, unused_tcp_port):
        for name in names:
            await until(cluster, JOB, name, lambda job: condition(job, "Complete"))
    assert await runs(cluster) == names


async def test_the_roles_of_the_chart_suffice(
    cluster: Cluster, limited: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    async with running(limited, unused_tcp_port, PODHATCH_LEASE=namespace) as operator:
        await cluster.create(workflow(namespace, onCrons=["@daily"]))
        await cluster.create(cron(namespace))
        await ticks(cluster, ["by-hand"])
        await until(cluster, JOB, "by-hand", lambda job: condition(job, "Complete"))
        assert refused_requests(operator) == 0
