"""Follows one run to its end, through ended watches and short outages of the API server."""

import asyncio
import logging
from contextlib import aclosing
from types import TracebackType
from typing import Self

from podhatch.api.model import JsonObject
from podhatch.api.run import ACCEPTED, TERMINAL_PHASES
from podhatch.client.explain import explained
from podhatch.cluster import WORKFLOW_RUN, ApiError, Cluster, ClusterUnreachable
from podhatch.errors import RunDeleted

OUTAGE_SECONDS = 120.0
"""How long the API server may be away while a caller waits."""
RETRY_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
"""A run that nobody took up for so long is worth a warning."""

_logger = logging.getLogger("podhatch")


async def follow(cluster: Cluster, run: JsonObject) -> JsonObject:
    """Return the run as it is at its end.

    Raises:
        ClusterUnreachable: The API server has been away for two minutes.
        RunDeleted: The run is gone.
    """
    loop = asyncio.get_running_loop()
    seen_at = loop.time()
    with _Patience(run) as patience:
        while not _ended(run):
            try:
                run = await _watch(cluster, run, patience)
                seen_at = loop.time()
            except (ApiError, ClusterUnreachable) as error:
                if not _passing(error) or loop.time() - seen_at > OUTAGE_SECONDS:
                    with explained("WorkflowRun", *_key(run)):
                        raise
                await asyncio.sleep(RETRY_SECONDS)
    return run


async def _watch(cluster: Cluster, run: JsonObject, patience: "_Patience") -> JsonObject:
    """Return the run at its end, or as it was when the stream ended."""
    namespace, name = _key(run)
    version = run["metadata"]["resourceVersion"]
    stream = cluster.watch(WORKFLOW_RUN, namespace, name=name, resource_version=version)
    try:
        async with aclosing(stream):
            async for event in stream:
                if event.type == "DELETED":
                    raise _deleted(run)
                run = event.object
                patience.saw(run)
                if _ended(run):
                    break
    except ApiError as error:
        if error.status != 410:  # Gone: too much has happened since
            raise
        run = await _get(cluster, run)
        patience.saw(run)
    return run


async def _get(cluster: Cluster, run: JsonObject) -> JsonObject:
    try:
        return await cluster.get(WORKFLOW_RUN, *_key(run))
    except ApiError as error:
        if error.status != 404:
            raise
        raise _deleted(run) from None


class _Patience:
    """Warns once when a run is not taken up."""

    def __init__(self, run: JsonObject) -> None:
        self._run = run

    def __enter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(PATIENCE_SECONDS, self._warn)
        self.saw(self._run)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()

    def saw(self, run: JsonObject) -> None:
        self._run = run
        accepted = _acceptance(run)
        if accepted is not None and accepted["status"] == "True":
            self._timer.cancel()

    def _warn(self) -> None:
        namespace, name = _key(self._run)
        accepted = _acceptance(self._run)
        if accepted is not None:
            _logger.warning("run %s waits: %s", name, accepted.get("message", ""))
        else:
            _logger.warning(
                "no operator has taken up run %s in namespace %s: does podhatch serve this "
                "namespace? (chart value watchNamespaces)",
                name,
                namespace,
            )


def _key(run: JsonObject) -> tuple[str, str]:
    return run["metadata"]["namespace"], run["metadata"]["name"]


def _ended(run: JsonObject) -> bool:
    """Tell whether nothing will happen any more: no replay that was asked for is still to come."""
    spec, status = run["spec"], run.get("status", {})
    revived = spec.get("replay", {}).get("count", 0) > status.get("replays", 0)
    if revived and spec.get("desiredState") != "Cancelled":
        return False
    return status.get("phase") in TERMINAL_PHASES


def _acceptance(run: JsonObject) -> JsonObject | None:
    conditions: list[JsonObject] = run.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == ACCEPTED), None)


def _passing(error: ApiError | ClusterUnreachable) -> bool:
    return not isinstance(error, ApiError) or error.status >= 500


def _deleted(run: JsonObject) -> RunDeleted:
    namespace, name = _key(run)
    return RunDeleted(f"run {name!r} in namespace {namespace!r} was deleted before it ended")
