"""A run as it is, and after each change, until it ended. Used by all who wait for one run by name.

It goes on through watches that end and API servers that restart.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES
from podhatch.client.explain import explained
from podhatch.client.waiting.outage import Outage
from podhatch.cluster import WORKFLOW_RUN, ApiError, Cluster, ClusterUnreachable
from podhatch.errors import RunDeleted


def ended(run: JsonObject) -> bool:
    """Tell whether nothing will happen any more: no replay that was asked for is still to come."""
    spec, status = run["spec"], run.get("status", {})
    revived = spec.get("replay", {}).get("count", 0) > status.get("replays", 0)
    if revived and spec.get("desiredState") != "Cancelled":
        return False
    return status.get("phase") in TERMINAL_PHASES


def key_of(run: JsonObject) -> tuple[str, str]:
    """Return the run's namespace and name."""
    return run["metadata"]["namespace"], run["metadata"]["name"]


async def states(cluster: Cluster, run: JsonObject) -> AsyncGenerator[JsonObject, None]:
    """Yield the run as given, and after each change, until it has ended.

    Raises:
        ClusterUnreachable: The API server has been away for two minutes.
        RequestRefused: It does not let us look.
        RunDeleted: The run is gone.
    """
    outage = Outage()
    yield run
    while not ended(run):
        try:
            async with aclosing(_changes(cluster, run)) as changes:
                async for run in changes:
                    outage.end()
                    yield run
                    if ended(run):
                        return
            outage.end()
        except (ApiError, ClusterUnreachable) as error:
            with explained("WorkflowRun", *key_of(run)):
                await outage.bear(error)


async def _changes(cluster: Cluster, run: JsonObject) -> AsyncGenerator[JsonObject, None]:
    """Yield the run after each change, until the API server ends the watch."""
    version = run["metadata"]["resourceVersion"]
    try:
        async with aclosing(_watch(cluster, run, version)) as changes:
            async for change in changes:
                yield change
    except ApiError as error:
        if error.status != 410:  # Gone: too much has happened since
            raise
        await _check_there(cluster, run)
        async with aclosing(_watch(cluster, run, "")) as changes:
            async for change in changes:
                if change["metadata"]["resourceVersion"] != version:
                    yield change


async def _watch(
    cluster: Cluster, run: JsonObject, version: str
) -> AsyncGenerator[JsonObject, None]:
    namespace, name = key_of(run)
    stream = cluster.watch(WORKFLOW_RUN, namespace, name=name, resource_version=version)
    async with aclosing(stream) as events:
        async for event in events:
            if event.type == "DELETED":
                raise _deleted(run)
            yield event.object


async def _check_there(cluster: Cluster, run: JsonObject) -> None:
    try:
        found = await cluster.get(WORKFLOW_RUN, *key_of(run))
    except ApiError as error:
        if error.status != 404:
            raise
        raise _deleted(run) from None
    if found["metadata"]["uid"] != run["metadata"]["uid"]:
        raise _deleted(run)


def _deleted(run: JsonObject) -> RunDeleted:
    namespace, name = key_of(run)
    return RunDeleted(f"run {name!r} in namespace {namespace!r} was deleted before it ended")
