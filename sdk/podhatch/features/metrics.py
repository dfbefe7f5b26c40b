"""`hatchet.metrics`: counts of tasks by status. For numbers over time ask Prometheus."""

from collections.abc import Sequence
from datetime import datetime

from podhatch.client import metrics
from podhatch.client.metrics import TaskMetrics, TaskStat
from podhatch.client.runs.selection import RunSearch, recent
from podhatch.client.twins import async_twin, blocking
from podhatch.features.base import FeatureClient


class MetricsClient(FeatureClient):
    """Counts over the runs of one namespace. Each call reads all runs that it counts."""

    @blocking
    async def get_queue_metrics(self) -> dict[str, int]:
        """Return, by `<workflow>:<task>`, how many attempts are queued."""
        return await self._ask(metrics.queue_metrics)

    aio_get_queue_metrics = async_twin(get_queue_metrics)

    @blocking
    async def get_task_stats(self) -> dict[str, TaskStat]:
        """Return, by `<workflow>:<task>`, what is queued and what runs, and since when."""
        return await self._ask(metrics.task_stats)

    aio_get_task_stats = async_twin(get_task_stats)

    @blocking
    async def get_task_metrics(
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
        search = RunSearch(
            recent(since),
            until=until,
            workflow_ids=workflow_ids,
            parent_task_external_id=parent_task_external_id,
            triggering_event_external_id=triggering_event_external_id,
        )
        return await self._ask(metrics.task_metrics, search)

    aio_get_task_metrics = async_twin(get_task_metrics)
