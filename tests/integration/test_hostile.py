"""Thousands of hostile objects in a real API server: the operator says something of each of them.

It never restarts and logs no traceback, and another namespace's run goes on meanwhile.
"""

import asyncio
import os
from pathlib import Path

from podhatch.api.model import JsonObject
from podhatch.cluster import KINDS, ApiError, Cluster

from tests.integration.operator import process, run, succeeded, workflow
from tests.integration.test_alone import at_rest
from tests.kube import kubectl
from tests.property.hostile import Hostile

__all__ = ["at_rest"]
OBJECTS = int(os.environ.get("PODHATCH_HOSTILE_OBJECTS", "1000"))
"""`make hostile` takes 10,000."""
SEED = 20261128
PARALLEL = 16
SPEAKING = ("Workflow", "WorkflowRun", "WorkflowEvent", "EventFilter", "CronWorkflow")
LONGEST_LINE = 8000


async def test_an_operator_survives_thousands_of_hostile_objects(
    cluster: Cluster, unused_tcp_port: int, tmp_path: Path
) -> None:
    good = f"{cluster.namespace}-good"
    await asyncio.to_thread(kubectl, "create", "namespace", good)
    await asyncio.to_thread(
        kubectl, "-n", cluster.namespace, "create", "quota", "few", "--hard=count/jobs.batch=10"
    )
    log = tmp_path / "operator.log"
    served = f"{cluster.namespace},{good}"
    try:
        with log.open("wb") as stream:
            async with process(
                cluster,
                unused_tcp_port,
                tmp_path,
                stderr=stream.fileno(),
                PODHATCH_WATCH_NAMESPACES=served,
            ) as operator:
                accepted = await create_all(cluster)
                await cluster.create(workflow(good))
                created = await cluster.create(run(good))
                await succeeded(cluster, created)
                await all_speak(cluster)
                assert operator.returncode is None, "the operator has ended"
    finally:
        await asyncio.to_thread(kubectl, "delete", "namespace", good, "--wait=false")
    assert accepted > OBJECTS / 4
    lines = log.read_text().splitlines()
    assert [line[:500] for line in lines if "raceback" in line] == []
    assert max(map(len, lines), default=0) < LONGEST_LINE


async def create_all(cluster: Cluster) -> int:
    """Create the objects, and return how many the API server has accepted."""
    gate = asyncio.Semaphore(PARALLEL)

    async def create(raw: JsonObject) -> bool:
        async with gate:
            try:
                await cluster.create(raw)
            except ApiError as error:
                if error.status not in (400, 409, 422):
                    raise
                return False
            return True

    objects = Hostile(SEED, cluster.namespace).objects(OBJECTS)
    return sum(await asyncio.gather(*map(create, objects)))


async def all_speak(cluster: Cluster) -> None:
    """Wait until every object has a status or a condition."""
    async with asyncio.timeout(120):
        while silent := await silent_objects(cluster):
            await asyncio.sleep(1)
            assert silent


async def silent_objects(cluster: Cluster) -> list[JsonObject]:
    return [
        raw
        for kind in KINDS.values()
        if kind.kind in SPEAKING
        for raw in (await cluster.list(kind, cluster.namespace))[0]
        if not speaks(raw)
    ]


def speaks(raw: JsonObject) -> bool:
    status: JsonObject = raw.get("status") or {}
    return bool(status.get("conditions") or status.get("message") or status.get("handledAt"))
