"""`hatchet.metrics`: counts of tasks by status. For numbers over time ask Prometheus."""

from collections.abc import Sequence
from datetime import datetime

from podhatch.client import metrics
from podhatch.client.metrics import TaskMetrics, TaskStat
from podhatch.client.runs.selection import RunSearch
from podhatch.features.base import FeatureClient
from podhatch.features.runs import run_filter


class MetricsClient(FeatureClient):
    """Counts over the runs of one namespace. Each call reads all runs that it counts."""

    def get_queue_metrics(self) -> dict[str, int]:
        """Return, by `<workflow>:<task>`, how many attempts are queued."""
        return self._wait(metrics.queue_metrics)

    async def aio_get_queue_metrics(self) -> dict[str, int]:
        """Do what `get_queue_metrics` does, in an event loop."""
        return await self._aio_wait(metrics.queue_metrics)

    def get_task_stats(self) -> dict[str, TaskStat]:
        """Return, by `<workflow>:<task>`, what is queued and what runs, and since when."""
        return self._wait(metrics.task_stats)

    async def aio_get_task_stats(self) -> dict[str, TaskStat]:
        """Do what `get_task_stats` does, in an event loop."""
        return await self._aio_wait(metrics.task_stats)

    def get_task_metrics(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        workflow_ids: Sequence[str] | None = None,
        parent_task_external_id: str | None = None,
        triggering_event_external_id: str | None = None,
    ) -> TaskMetrics:
        """Return how many tasks have which status.

        Args:
            since: Of runs created at this time or later; by default a day ago.
            until: Of runs created at this time or earlier.
            workflow_ids: Of one of these workflows, by name.
            parent_task_external_id: Of runs that this task has started.
            triggering_event_external_id: Of runs that this event has started.
        """
        search = _search(
            since, until, workflow_ids, parent_task_external_id, triggering_event_external_id
        )
        return self._wait(metrics.task_metrics, search)

    async def aio_get_task_metrics(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        workflow_ids: Sequence[str] | None = None,
        parent_task_external_id: str | None = None,
        triggering_event_external_id: str | None = None,
    ) -> TaskMetrics:
        """Do what `get_task_metrics` does, in an event loop."""
        search = _search(
            since, until, workflow_ids, parent_task_external_id, triggering_event_external_id
        )
        return await self._aio_wait(metrics.task_metrics, search)


def _search(
    since: datetime | None,
    until: datetime | None,
    workflow_ids: Sequence[str] | None,
    parent: str | None,
    event: str | None,
) -> RunSearch:
    selected = run_filter(since, {"until": until, "workflow_ids": workflow_ids})
    return RunSearch(selected, None, parent, event)
