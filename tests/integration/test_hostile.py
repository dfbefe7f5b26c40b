"""Thousands of hostile objects in a real API server: the operator says something of each of them.

It never restarts and logs no traceback, and another namespace's run goes on meanwhile. The operator
that the chart installed may serve the same namespaces: two at once must agree.
"""

import asyncio
import os
from pathlib import Path

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CRON_WORKFLOW,
    EVENT_FILTER,
    RATE_LIMIT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    ApiError,
    Cluster,
    Kind,
)

from tests.integration.operator import process, run, running, succeeded, until, workflow
from tests.kube import kubectl
from tests.property.hostile import Hostile

OBJECTS = int(os.environ.get("PODHATCH_HOSTILE_OBJECTS", "1000"))
"""`make hostile` takes 10,000."""
SEED = 20261128
PARALLEL = 16
SPEAKING = {
    kind.kind: kind
    for kind in (WORKFLOW, WORKFLOW_RUN, WORKFLOW_EVENT, EVENT_FILTER, CRON_WORKFLOW, RATE_LIMIT)
}
LONGEST_LINE = 8000
FEW = 200


@pytest.mark.timeout(300 + OBJECTS / 10)
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
                flood = asyncio.create_task(create_all(cluster))
                await cluster.create(workflow(good))
                created = await cluster.create(run(good))
                await succeeded(cluster, created)
                accepted = await flood
                await all_speak(cluster, accepted)
                assert operator.returncode is None, "the operator has ended"
    finally:
        await asyncio.to_thread(kubectl, "delete", "namespace", good, "--wait=false")
    assert len(accepted) > OBJECTS / 10
    lines = log.read_text().splitlines()
    assert [line[:500] for line in lines if "raceback" in line] == []
    assert max(map(len, lines), default=0) < LONGEST_LINE


async def spoken(cluster: Cluster, kind: Kind, name: str) -> JsonObject:
    """Wait for an object's status, and return it."""
    async with asyncio.timeout(20):
        while True:
            raw = await cluster.get(kind, cluster.namespace, name)
            if speaks(raw):
                return raw["status"]
            await asyncio.sleep(0.1)


async def test_a_pod_that_kubernetes_refuses_makes_its_workflow_invalid(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    template = {"spec": {"restartPolicy": "Always"}}
    async with running(cluster, unused_tcp_port):
        await cluster.create(workflow(cluster.namespace, pod={"podTemplate": template}))
        status = await spoken(cluster, WORKFLOW, "pair")
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "PodInvalid")
    assert "spec.tasks[a]: " in condition["message"]
    assert "restartPolicy" in condition["message"]


async def test_objects_that_are_too_large_or_too_deep_say_so(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    deep: JsonObject = {}
    for _ in range(600):
        deep = {"a": deep}
    fat = {"list": [{"a": 1}] * 170_000}
    for name, payload in (("fat-before", fat), ("deep-before", deep)):
        await cluster.create(event(cluster.namespace, name, payload))
    async with running(cluster, unused_tcp_port) as operator:
        await cluster.create(event(cluster.namespace, "fat-after", fat))
        await cluster.create(event(cluster.namespace, "deep-after", deep))
        for name in ("fat-before", "fat-after", "deep-before", "deep-after"):
            place = (cluster.namespace, name)
            await until(lambda at=place: speaks(operator.cache.get(WORKFLOW_EVENT, at) or {}))
            words = "bytes, and at most" if name.startswith("fat") else "levels deep"
            held = operator.cache.get(WORKFLOW_EVENT, place)
            assert held is not None
            assert words in held["status"]["message"]


def event(namespace: str, name: str, payload: JsonObject) -> JsonObject:
    return {
        "apiVersion": WORKFLOW_EVENT.api_version,
        "kind": WORKFLOW_EVENT.kind,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"key": "k", "payload": payload},
    }


async def create_all(cluster: Cluster) -> set[tuple[str, str]]:
    """Create the objects, and return kind and name of those that the API server has accepted."""
    gate = asyncio.Semaphore(PARALLEL)

    async def create(raw: JsonObject) -> tuple[str, str] | None:
        async with gate:
            try:
                created = await cluster.create(raw)
            except ApiError as error:
                if error.status not in (400, 403, 409, 422):
                    raise
                return None
            return created["kind"], created["metadata"]["name"]

    objects = Hostile(SEED, cluster.namespace).objects(OBJECTS)
    return {key for key in await asyncio.gather(*map(create, objects)) if key is not None}


async def all_speak(cluster: Cluster, accepted: set[tuple[str, str]]) -> None:
    """Wait until all these objects have a status or a condition, while their number falls.

    Not for the runs that they start: crons and events start new ones all the time.
    """
    silent = {key for key in accepted if key[0] in SPEAKING}
    while silent:
        before = len(silent)
        try:
            async with asyncio.timeout(120):
                while len(silent) == before:
                    await asyncio.sleep(1)
                    silent = await silent_objects(cluster, silent)
        except TimeoutError:
            some = sorted(silent)[:5]
            raise AssertionError(f"{before} objects have no status, such as {some}") from None


async def silent_objects(cluster: Cluster, asked: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Return those of these objects that have no status, fetching the last few by name."""
    if len(asked) < FEW:
        return {key for key in asked if await is_silent(cluster, *key)}
    return asked & {
        (name, raw["metadata"]["name"])
        for name, kind in SPEAKING.items()
        for raw in (await cluster.list(kind, cluster.namespace))[0]
        if not speaks(raw)
    }


async def is_silent(cluster: Cluster, kind: str, name: str) -> bool:
    try:
        return not speaks(await cluster.get(SPEAKING[kind], cluster.namespace, name))
    except ApiError as error:
        if error.status != 404:
            raise
        return False


def speaks(raw: JsonObject) -> bool:
    status: JsonObject = raw.get("status") or {}
    said = status.get("conditions") or status.get("message") or status.get("handledAt")
    return bool(said) or "left" in status
