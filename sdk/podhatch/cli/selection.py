"""Which runs `podhatch list` shows: the API server selects what it can, we the rest."""

from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import datetime
from typing import get_args

from podhatch.api.model import JsonObject
from podhatch.api.run import Phase
from podhatch.cli.newest import age_key, get_runs, newest_refs
from podhatch.cluster import WORKFLOW_RUN, Cluster

PHASES: tuple[Phase, ...] = get_args(Phase)
MAX_TIED = 200
"""So many runs of one second are read to find out which of them began last."""


@dataclass(frozen=True)
class Selection:
    """What the user wants to see."""

    workflow: str | None = None
    """Name of a Workflow object."""
    phases: Sequence[Phase] = ()
    """One of these; any when empty."""
    since: datetime | None = None
    """Created at this time or later."""
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    """What the additional metadata holds, at least."""

    @property
    def field_selector(self) -> str:
        """What the API server selects by."""
        parts = [f"spec.workflow={self.workflow}"] if self.workflow else []
        if self.phases:  # fields are selected by all of several requirements, never by one of them
            others = [phase for phase in PHASES if phase not in self.phases]
            none_yet = [] if "Pending" in self.phases else [""]
            parts += [f"status.phase!={phase}" for phase in (*others, *none_yet)]
        return ",".join(parts)

    def is_young(self, created: str) -> bool:
        """Return whether a run of this age is wanted."""
        return self.since is None or datetime.fromisoformat(created) >= self.since

    def holds(self, run: JsonObject) -> bool:
        """Return whether the user wants to see this run, which the API server has selected."""
        told: dict[str, str] = run["spec"].get("additionalMetadata") or {}
        return self.is_young(run["metadata"]["creationTimestamp"]) and (
            self.metadata.items() <= told.items()
        )


@dataclass(frozen=True)
class Found:
    """The newest runs, the newest first, and how many older ones there are besides."""

    runs: list[JsonObject]
    older: int


async def find_runs(
    cluster: Cluster, namespace: str | None, selection: Selection, limit: int | None
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
    cluster: Cluster, namespace: str | None, selection: Selection
) -> list[JsonObject]:
    runs: list[JsonObject] = []
    pages = cluster.pages(WORKFLOW_RUN, namespace, field_selector=selection.field_selector)
    async with aclosing(pages) as found:
        async for page, _ in found:
            runs += [run for run in page if selection.holds(run)]
    return runs
