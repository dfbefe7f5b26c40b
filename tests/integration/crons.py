"""What tests of crons share: the objects, and waits for what the operator makes of them."""

import asyncio
from collections.abc import Callable

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import CRON_JOB, WORKFLOW_RUN, ApiError, Cluster, Kind

from tests.integration.operator import container_task
from tests.kube import kubectl

NIGHTLY = "17 3 * * *"


def workflow(namespace: str, **spec: object) -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Workflow",
        "metadata": {"name": "flow", "namespace": namespace},
        "spec": {"tasks": [container_task("a")], **spec},
    }


def cron(namespace: str, **spec: object) -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "CronWorkflow",
        "metadata": {"name": "nightly", "namespace": namespace},
        "spec": {"workflow": "flow", "schedule": NIGHTLY, **spec},
    }


async def until(
    cluster: Cluster, kind: Kind, name: str, holds: Callable[[JsonObject], object]
) -> JsonObject:
    """Wait until an object is there of which this holds, and return it."""
    async with asyncio.timeout(60):
        while True:
            try:
                found = await cluster.get(kind, cluster.namespace, name)
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                if holds(found):
                    return found
            await asyncio.sleep(0.1)


def condition(raw: JsonObject, type: str, status: str = "True") -> JsonObject | None:
    found = [item for item in raw.get("status", {}).get("conditions", []) if item["type"] == type]
    return found[0] if found and found[0]["status"] == status else None


def valid(raw: JsonObject) -> JsonObject | None:
    return condition(raw, "Valid")


async def tick(cluster: Cluster, name: str) -> None:
    """Make a tick by hand, as users do."""
    arguments = ("create", "job", name, "--from=cronjob/nightly")
    await asyncio.to_thread(kubectl, "-n", cluster.namespace, *arguments)


async def ticks(cluster: Cluster, names: list[str]) -> None:
    """Make ticks by hand as soon as there is a CronJob."""
    await until(cluster, CRON_JOB, "nightly", bool)
    for name in names:
        await tick(cluster, name)


async def runs(cluster: Cluster) -> list[str]:
    """Return the names of all runs."""
    found, _ = await cluster.list(WORKFLOW_RUN, cluster.namespace)
    return sorted(run["metadata"]["name"] for run in found)


async def gone(cluster: Cluster, kind: Kind, name: str) -> None:
    """Wait until an object is not there any more."""
    async with asyncio.timeout(60):
        while True:
            items, _ = await cluster.list(kind, cluster.namespace)
            if name not in [item["metadata"]["name"] for item in items]:
                return
            await asyncio.sleep(0.1)
