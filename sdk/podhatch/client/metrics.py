"""`hatchet.metrics`: counts of tasks by status. For numbers over time ask Prometheus."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime

from podhatch.client import paging
from podhatch.client.feature import FeatureClient
from podhatch.client.runs.lookup import run_query
from podhatch.client.runs.rows import tasks_of
from podhatch.client.runs.selection import STATES, RunSearch, RunStatus, recent
from podhatch.client.session import Session
from podhatch.client.twins import async_twin, blocking
from podhatch.client.workflows import true_names

UNDER_WAY = (RunStatus.QUEUED, RunStatus.RUNNING)


@dataclass(frozen=True)
class TaskMetrics:
    """How many tasks have which status. A skipped one counts as completed."""

    queued: int
    running: int
    completed: int
    failed: int
    cancelled: int


@dataclass(frozen=True)
class TaskStatusStat:
    """Attempts of one task that are queued, or that run."""

    total: int
    """How many."""
    oldest: datetime | None
    """Since when the oldest one is, in UTC; None if there is none."""


@dataclass(frozen=True)
class TaskStat:
    """Attempts of one task that are under way."""

    queued: TaskStatusStat
    """Those that wait for a node, or for their next attempt."""
    running: TaskStatusStat
    """Those that run."""


async def _task_metrics(session: Session, search: RunSearch) -> TaskMetrics:
    query = await run_query(session, search)
    counted: Counter[RunStatus] = Counter()
    async with aclosing(paging.find_all(session, query)) as runs:
        async for run in runs:
            counted.update(STATES[task.state] for task in tasks_of(run))
    return TaskMetrics(**{status.value.lower(): counted[status] for status in RunStatus})


async def _task_stats(session: Session) -> dict[str, TaskStat]:
    found: defaultdict[tuple[str, str], dict[str, list[datetime]]] = defaultdict(
        lambda: {"Queued": [], "Running": []}
    )
    search = RunSearch(datetime.fromtimestamp(0, UTC), statuses=UNDER_WAY)
    query = await run_query(session, search)
    async with aclosing(paging.find_all(session, query)) as runs:
        async for run in runs:
            for task in tasks_of(run):
                if task.state in ("Queued", "Running"):
                    since = task.started_at if task.state == "Running" else task.queued_at
                    moments = found[run.spec.workflow, task.name][task.state]
                    moments.append(since or datetime.now(UTC))
    names = await true_names(session, (workflow for workflow, _ in found))
    return {
        f"{names[workflow]}:{task}": TaskStat(_stat(moments["Queued"]), _stat(moments["Running"]))
        for (workflow, task), moments in sorted(found.items())
    }


def _stat(moments: list[datetime]) -> TaskStatusStat:
    return TaskStatusStat(len(moments), min(moments, default=None))


class MetricsClient(FeatureClient):
    """Counts over the runs of one namespace. Each call reads all runs that it counts."""

    @blocking
    async def get_queue_metrics(self) -> dict[str, int]:
        """Return, by `<workflow>:<task>`, how many attempts are queued."""
        stats = await self._ask(_task_stats)
        return {name: stat.queued.total for name, stat in stats.items() if stat.queued.total}

    aio_get_queue_metrics = async_twin(get_queue_metrics)

    @blocking
    async def get_task_stats(self) -> dict[str, TaskStat]:
        """Return, by `<workflow>:<task>`, what is queued and what runs, and since when."""
        return await self._ask(_task_stats)

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
        return await self._ask(_task_metrics, search)

    aio_get_task_metrics = async_twin(get_task_metrics)
