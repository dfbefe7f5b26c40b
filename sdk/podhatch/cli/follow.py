"""Follows one run until it ended, through watches that end and API servers that restart.

Called by watch and by the demo.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.cli.lookup import NoSuchRun, get_run
from podhatch.cluster import WORKFLOW_RUN, ApiError, Cluster, ClusterUnreachable

PATIENCE_SECONDS = 60.0
"""How long an API server that answered before may be away."""
PAUSE_SECONDS = 1.0


async def follow(cluster: Cluster, namespace: str, name: str) -> AsyncGenerator[WorkflowRun, None]:
    """Yield the run as it is, and after each change, until it has ended.

    Raises:
        NoSuchRun: it is not there, or was deleted meanwhile.
        ClusterUnreachable: the API server does not answer, or not any more.
    """
    seen = ""
    now = asyncio.get_running_loop().time
    answered_at = float("-inf")
    while True:
        try:
            async with aclosing(_states(cluster, namespace, name)) as states:
                async for raw in states:
                    answered_at = now()
                    version = raw["metadata"]["resourceVersion"]
                    if version == seen:
                        continue
                    seen = version
                    run = WorkflowRun.model_validate(raw)
                    yield run
                    if run.finished:
                        return
        except (ApiError, ClusterUnreachable) as error:
            if not _may_pass(error) or now() - answered_at > PATIENCE_SECONDS:
                raise
            await asyncio.sleep(PAUSE_SECONDS)


async def _states(cluster: Cluster, namespace: str, name: str) -> AsyncGenerator[JsonObject, None]:
    """Yield the run as it is and as it becomes, until the API server ends the watch."""
    yield await get_run(cluster, namespace, name)
    async with aclosing(cluster.watch(WORKFLOW_RUN, namespace, name=name)) as events:
        async for event in events:
            if event.type == "DELETED":
                raise NoSuchRun(f"the WorkflowRun {name} in namespace {namespace} was deleted")
            yield event.object


def _may_pass(error: ApiError | ClusterUnreachable) -> bool:
    """Whether the API server may well answer again: it restarts, or ended the watch (410)."""
    return not isinstance(error, ApiError) or error.status == 410 or error.status >= 500
