"""Says which waits of durable tasks are over, as the operator does, in the logs of one cluster."""

from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.core.common.observed import ObservedDurableLog
from podhatch.core.common.plan import first
from podhatch.core.durable.plan import plan_durable_log
from podhatch.core.durable.progress import awaited_events, awaited_runs, waits_over
from podhatch.evaluation.client import WITHIN_LIMITS
from podhatch.local.cluster import LocalCluster

KIND = "DurableLog"


class DurableLogs:
    """Plans the pages of logs that have changed, and those that wait for what has happened."""

    def __init__(self, cluster: LocalCluster) -> None:
        self._cluster = cluster
        self._dirty: dict[str, None] = {}
        """Names of pages to look at."""
        self._due: dict[str, datetime] = {}
        """When to look at a page again, by its name."""

    @property
    def is_behind(self) -> bool:
        """Whether something has changed that nobody has looked at."""
        return bool(self._dirty)

    @property
    def next_at(self) -> datetime | None:
        """When the next sleep is over."""
        return first(self._due.values())

    def noticed(self, stored: JsonObject) -> None:
        """An object has changed: look at the pages that it concerns."""
        kind, name = stored["kind"], stored["metadata"]["name"]
        if kind == KIND:
            self._dirty[name] = None
        elif kind == "WorkflowEvent":
            key: str = stored["spec"]["key"]
            pages = self._cluster.stored(KIND)
            self._dirty |= {page: None for page in pages if key in awaited_events(pages[page])}
        elif kind == "WorkflowRun" and "parent" in stored["spec"] and is_over(stored):
            pages = self._cluster.of_run(KIND, stored["spec"]["parent"]["run"])
            self._dirty |= {page: None for page in pages if name in awaited_runs(pages[page])}

    def keep_appointments(self, now: datetime) -> None:
        """Look at the pages of which a sleep is over."""
        for page in [page for page, moment in self._due.items() if moment <= now]:
            del self._due[page]
            self._dirty[page] = None

    def look(self, now: datetime) -> None:
        """Look at all pages that have changed."""
        while self._dirty:
            page = next(iter(self._dirty))
            del self._dirty[page]
            self._plan(page, now)

    def waits_over(self, run: str, task: str) -> int:
        """Return how many waits of a task are over."""
        pages = self._cluster.of_run(KIND, run).values()
        return waits_over(
            page for page in pages if page["metadata"]["labels"].get(labels.TASK) == task
        )

    def waiting(self, run: str) -> list[str]:
        """Say what each durable task of a run waits for."""
        pages = self._cluster.of_run(KIND, run).values()
        return [
            f"task {page['spec']['task']} {page['status']['waiting']}"
            for page in pages
            if "waiting" in page.get("status", {})
        ]

    def _plan(self, page: str, now: datetime) -> None:
        self._due.pop(page, None)
        log = self._cluster.find(KIND, page)
        if log is None:
            return
        plan = plan_durable_log(self._observe(log), now)
        if plan.status is not None:
            self._cluster.change(KIND, page, status=plan.status)
        if plan.requeue_at is not None:
            self._due[page] = plan.requeue_at

    def _observe(self, log: JsonObject) -> ObservedDurableLog:
        """Return a page with all that it waits for."""
        keys = awaited_events(log)
        events = self._cluster.stored("WorkflowEvent").values() if keys else ()
        children = {name: self._cluster.find("WorkflowRun", name) for name in awaited_runs(log)}
        return ObservedDurableLog(
            log=log,
            run=self._cluster.find("WorkflowRun", log["spec"]["run"]),
            events=[each for each in events if each["spec"]["key"] in keys],
            children={name: run for name, run in children.items() if run is not None},
            answers=WITHIN_LIMITS,
        )
