"""Which runs `podhatch list` shows: the API server selects what it can, we the rest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.api.run import Phase, WorkflowRun
from podhatch.cli.table import newest_first
from podhatch.cluster import WORKFLOW_RUN, Cluster


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
    limit: int | None = None

    @property
    def field_selector(self) -> str:
        """What the API server selects by."""
        parts = [f"spec.workflow={self.workflow}"] if self.workflow else []
        if len(self.phases) == 1 and self.phases[0] != "Pending":  # a new run has no phase yet
            parts.append(f"status.phase={self.phases[0]}")
        return ",".join(parts)

    def holds(self, run: WorkflowRun) -> bool:
        """Return whether the user wants to see this run."""
        created = run.metadata.creation_timestamp
        phase = (run.status.phase if run.status else None) or "Pending"
        return (
            (not self.phases or phase in self.phases)
            and (self.since is None or (created is not None and created >= self.since))
            and self.metadata.items() <= run.spec.additional_metadata.items()
        )


async def find_runs(
    cluster: Cluster, namespace: str | None, selection: Selection
) -> list[tuple[WorkflowRun, JsonObject]]:
    """Return the runs, newest first, as they are read and as they came."""
    raws: dict[tuple[str, str], JsonObject] = {}
    runs: list[WorkflowRun] = []
    pages = cluster.pages(WORKFLOW_RUN, namespace, field_selector=selection.field_selector)
    async for page, _ in pages:
        for raw in page:
            run = WorkflowRun.model_validate(raw)
            if selection.holds(run):
                runs.append(run)
                raws[run.metadata.namespace, run.metadata.name] = raw
    ordered = newest_first(runs)[: selection.limit]
    return [(run, raws[run.metadata.namespace, run.metadata.name]) for run in ordered]
