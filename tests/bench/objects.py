"""What both benchmarks put into the cluster: a namespace of their own, and bare Jobs."""

import asyncio
import uuid
from collections.abc import Callable, Generator
from contextlib import aclosing, contextmanager

from podhatch.api.model import JsonObject
from podhatch.cluster import Cluster, Kind

from tests.kube import Namespace, kubectl

LIMIT_SECONDS = 120.0


@contextmanager
def own_namespace() -> Generator[Namespace]:
    """Make a namespace, and delete it at the end with all that is in it."""
    name = f"bench-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    try:
        yield Namespace(name)
    finally:
        kubectl("delete", "namespace", name, "--wait=false")


def bare_job(namespace: str, name: str, image: str, **pod: object) -> JsonObject:
    """Return a Job that does nothing, as one writes it by hand."""
    container = {"name": "main", "image": image, "command": ["true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container], **pod}}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"namespace": namespace, "name": name},
        "spec": {"backoffLimit": 0, "template": template},
    }


def is_complete(job: JsonObject) -> bool:
    """Whether the Job has its condition Complete."""
    conditions: list[JsonObject] = job.get("status", {}).get("conditions", [])
    return any(item["type"] == "Complete" and item["status"] == "True" for item in conditions)


def is_succeeded(run: JsonObject) -> bool:
    """Whether the run has succeeded.

    Raises:
        AssertionError: it has ended otherwise.
    """
    status: JsonObject = run.get("status", {})
    if status.get("phase") in ("Failed", "Cancelled"):
        raise AssertionError(f"run {run['metadata']['name']}: {status}")
    return status.get("phase") == "Succeeded"


async def until(
    cluster: Cluster, kind: Kind, created: JsonObject, is_done: Callable[[JsonObject], bool]
) -> None:
    """Watch one object until it is done.

    Raises:
        TimeoutError: it takes longer than two minutes.
    """
    metadata = created["metadata"]
    stream = cluster.watch(
        kind,
        metadata["namespace"],
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
    )
    async with asyncio.timeout(LIMIT_SECONDS), aclosing(stream):
        async for event in stream:
            if is_done(event.object):
                return
    raise AssertionError(f"the watch of {kind.kind} {metadata['name']} ended")
