"""Selects the newest runs and reads only those in full.

The API server returns name and age of all runs as a table. Kubernetes dates objects to the second;
runs of the same second are ordered by the operator's more exact times in their status.
"""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import get_args

from podhatch.api.model import JsonObject
from podhatch.api.run import Phase
from podhatch.client.objects import gathered
from podhatch.client.runs.selection import STATES, phase_selector
from podhatch.cluster import WORKFLOW_RUN, ApiError, ClusterApi

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_NOT_YET = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class ListedRun:
    """Name and age of a run."""

    namespace: str
    name: str
    created: str
    """RFC 3339 in UTC, to the second; strings of this form sort by time."""


async def newest_refs(
    cluster: ClusterApi, namespace: str | None, *, field_selector: str = ""
) -> list[ListedRun]:
    """Return the runs of a namespace, or of all when None, newest first."""
    rows = await cluster.rows(WORKFLOW_RUN, namespace, field_selector=field_selector)
    refs = [ListedRun(row["Namespace"], row["Name"], row["Created"]) for row in rows]
    return sorted(refs, key=lambda ref: ref.created, reverse=True)


async def get_runs(cluster: ClusterApi, refs: Sequence[ListedRun]) -> list[JsonObject]:
    """Return the whole runs, without those deleted in the meantime."""

    async def get(ref: ListedRun) -> list[JsonObject]:
        try:
            return [await cluster.get(WORKFLOW_RUN, ref.namespace, ref.name)]
        except ApiError as error:
            if error.status != 404:
                raise
            return []

    return [run for found in await gathered(map(get, refs)) for run in found]


def age_key(run: JsonObject) -> tuple[datetime, datetime]:
    """Return a sort key, greater for the newer run: the time of creation, then of start.

    A run that has not started is newer than one that has; one that ended without a start counts
    from its end.
    """
    created = run["metadata"].get("creationTimestamp")
    status: JsonObject = run.get("status") or {}
    started = status.get("startedAt") or status.get("finishedAt")
    return _time(created) or _LONG_AGO, _time(started) or _NOT_YET


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


PHASES: tuple[Phase, ...] = get_args(Phase)
MAX_TIED = 200
"""How many runs of the same second are read to find which of them started last."""


@dataclass(frozen=True)
class Selection:
    """The criteria of `podhatch list`."""

    workflow: str | None = None
    """Name of a Workflow object."""
    phases: Sequence[Phase] = ()
    """Any phase when empty."""
    since: datetime | None = None
    """Created at this time or later."""
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    """Entries that the run's additional metadata must hold."""

    @property
    def field_selector(self) -> str:
        """The criteria that the API server evaluates."""
        workflow = f"spec.workflow={self.workflow}" if self.workflow else ""
        phases = phase_selector(STATES[phase] for phase in self.phases) if self.phases else ""
        return ",".join(filter(None, (workflow, phases)))

    def is_young(self, created: str) -> bool:
        """Return whether the run was created late enough."""
        return self.since is None or datetime.fromisoformat(created) >= self.since

    def holds(self, run: JsonObject) -> bool:
        """Return whether a run that the API server selected meets the other criteria too."""
        metadata: dict[str, str] = run["spec"].get("additionalMetadata") or {}
        return self.is_young(run["metadata"]["creationTimestamp"]) and (
            self.metadata.items() <= metadata.items()
        )


@dataclass(frozen=True)
class Found:
    """The newest runs, newest first, and the number of older runs."""

    runs: list[JsonObject]
    older: int


async def find_runs(
    cluster: ClusterApi, namespace: str | None, selection: Selection, limit: int | None
) -> Found:
    """Return the newest runs of a selection, at most `limit`."""
    if limit is None or selection.metadata:
        runs = await _read_all(cluster, namespace, selection)
        total = len(runs)
    else:
        refs = await newest_refs(cluster, namespace, field_selector=selection.field_selector)
        refs = [ref for ref in refs if selection.is_young(ref.created)]
        tied = [ref for ref in refs[limit:] if ref.created == refs[limit - 1].created]
        runs = await get_runs(cluster, [*refs[:limit], *tied[:MAX_TIED]])
        total = len(refs)
    newest = sorted(runs, key=age_key, reverse=True)[:limit]
    return Found(newest, total - len(newest))


async def _read_all(
    cluster: ClusterApi, namespace: str | None, selection: Selection
) -> list[JsonObject]:
    runs: list[JsonObject] = []
    pages = cluster.pages(WORKFLOW_RUN, namespace, field_selector=selection.field_selector)
    async with aclosing(pages) as found:
        async for page, _ in found:
            runs += [run for run in page if selection.holds(run)]
    return runs
