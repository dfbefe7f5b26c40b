"""Which of many runs are the newest, at the cost of a few of them.

The API server tells name and age of all in a table; only those that are shown are read whole.
Kubernetes dates objects to the second; the operator dates what becomes of a run more exactly.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from podhatch.api.model import JsonObject
from podhatch.cluster import WORKFLOW_RUN, ApiError, Cluster

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOT_YET = datetime.max.replace(tzinfo=UTC)
_REQUESTS = 10
"""Runs that are read at the same time."""


@dataclass(frozen=True)
class RunRef:
    """A run that is known by its name and age alone."""

    namespace: str
    name: str
    created: str
    """RFC 3339 in UTC, to the second, so that the order of texts is that of times."""


async def newest_refs(
    cluster: Cluster, namespace: str | None, *, field_selector: str = ""
) -> list[RunRef]:
    """Return the runs of a namespace, or of all when None, by the second of creation."""
    rows = await cluster.rows(WORKFLOW_RUN, namespace, field_selector=field_selector)
    refs = [RunRef(row["Namespace"], row["Name"], row["Created"]) for row in rows]
    return sorted(refs, key=lambda ref: ref.created, reverse=True)


async def get_runs(cluster: Cluster, refs: Sequence[RunRef]) -> list[JsonObject]:
    """Return the runs themselves; one that was deleted meanwhile is left out."""
    free = asyncio.Semaphore(_REQUESTS)

    async def get(ref: RunRef) -> JsonObject | None:
        async with free:
            try:
                return await cluster.get(WORKFLOW_RUN, ref.namespace, ref.name)
            except ApiError as error:
                if error.status == 404:
                    return None
                raise

    found = await asyncio.gather(*(get(ref) for ref in refs))
    return [run for run in found if run is not None]


def age_key(run: JsonObject) -> tuple[datetime, datetime]:
    """Return what is greater for the newer of two runs: when each was created, then when it began.

    One that has not begun is newer than those that have; one that ended without is as old as its
    end.
    """
    created = run["metadata"].get("creationTimestamp")
    status: JsonObject = run.get("status") or {}
    begun = status.get("startedAt") or status.get("finishedAt")
    return _moment(created) or _LONG_AGO, _moment(begun) or _NOT_YET


def _moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
