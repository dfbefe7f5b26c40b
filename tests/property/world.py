"""A run, its operator, and the users around them. The operator's process may end at any write.

The test chooses every step; the world keeps what really happened, for the invariants.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import ClassVar

from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.api.run import TERMINAL_PHASES
from podhatch.cluster import (
    CONTROLLER_REVISION,
    DURABLE_LOG,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Kind,
)
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run
from podhatch_operator.controllers.run import RunController
from podhatch_operator.keys import Key, run_key

from tests.fakes.objects import DEFAULTS
from tests.property.durable_code import KEY, page_name
from tests.property.living_cluster import NAMESPACE
from tests.property.operated_world import OperatedWorld
from tests.property.pods import RUN, Behaviour, Pods

KINDS = (
    WORKFLOW_RUN,
    WORKFLOW,
    CONTROLLER_REVISION,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW_EVENT,
    DURABLE_LOG,
)


@dataclass(frozen=True)
class Made:
    """A Job that the operator has made, and what was so just before."""

    job: JsonObject
    at: datetime
    seen: Observed | None
    status: JsonObject
    """Of the run."""

    @property
    def name(self) -> str:
        return self.job["metadata"]["name"]

    @property
    def task(self) -> str:
        return self.job["metadata"]["labels"][labels.TASK]

    @property
    def number(self) -> int:
        return int(self.job["metadata"]["labels"][labels.ATTEMPT])

    @property
    def replay(self) -> int:
        return int(self.job["metadata"].get("annotations", {}).get(labels.REPLAY, "0"))


@dataclass
class World(OperatedWorld):
    """The cluster, one operator process, and the facts of what was run."""

    key: ClassVar[Key] = run_key(NAMESPACE, RUN)
    kinds: ClassVar[tuple[Kind, ...]] = KINDS
    behaviours: Mapping[str, Behaviour]
    specs: Mapping[str, JsonObject]
    """Of the tasks."""
    sticky: str | None = None
    made: dict[str, Made] = field(default_factory=dict[str, Made])
    """All Jobs, in the order of their creation."""
    unchecked: list[Made] = field(default_factory=list[Made])
    """Those that the invariants have not looked at."""
    statuses_checked: int = 0
    deleted: set[str] = field(default_factory=set[str])
    """Jobs that a user has deleted."""
    never_noted: set[str] = field(default_factory=set[str])
    """Those of them that no status has named."""
    pushed_at: list[datetime] = field(default_factory=list[datetime])
    time_is_steady: bool = True
    """False once the clock was set back."""

    def __post_init__(self) -> None:
        self.pods = Pods(self.cluster, self.behaviours, lambda: self.now)
        super().__post_init__()

    @property
    def started(self) -> list[str]:
        """Names of Jobs in the order of their creation."""
        return list(self.made)

    def restart_operator(self) -> None:
        """A new process lists everything and remembers nothing."""
        super().restart_operator()
        self.memo = PlanMemo()

    async def reconcile(self, crash_after: int | None = None) -> None:
        """Reconcile the run, whose plan depends on nothing but what is observed."""
        observed = self.observe()
        if observed is not None:
            self.plan(observed)
        await super().reconcile(crash_after)

    async def _reconcile(self, key: Key) -> None:
        seen, before = self.observe(), self.status()
        try:
            await super()._reconcile(key)
        finally:
            self._note(seen, before)

    def observe(self) -> Observed | None:
        """Return what the operator shows the core."""
        context = self.operator.context
        observed = RunController.observe(context.cache, NAMESPACE, RUN)
        return observed and replace(observed, answers=context.evaluator.answers)

    def plan(self, observed: Observed) -> Plan:
        """Plan, and once more without what earlier plans found out: it changes nothing."""
        plan = plan_run(observed, DEFAULTS, self.now, self.memo)
        assert plan == plan_run(observed, DEFAULTS, self.now), "the plan is not a function"
        return plan

    def _note(self, seen: Observed | None, before: JsonObject) -> None:
        """Note what became of the operator's writes."""
        created, self.cluster.created = self.cluster.created, []
        for raw in created:
            if raw["kind"] == JOB.kind:
                made = Made(raw, self.now, seen, before)
                assert made.name not in self.made, "an attempt was made twice"
                self.made[made.name] = made
                self.unchecked.append(made)
        deleted, self.cluster.deleted_jobs = self.cluster.deleted_jobs, []
        for name in deleted:
            if name not in self.pods.ended:
                self.pods.end(name, "Deleted")

    def status(self) -> JsonObject:
        """Return the status of the run."""
        run = self.cluster.find(WORKFLOW_RUN.kind, RUN)
        assert run is not None
        return run.get("status", {})

    # What happens around the operator.

    def push_event(self) -> None:
        """Somebody pushes the event that tasks may wait for."""
        self.pushed_at.append(self.now)
        number = len(self.pushed_at)
        self.cluster.put(
            {
                "apiVersion": labels.API_VERSION,
                "kind": WORKFLOW_EVENT.kind,
                "metadata": {
                    "name": f"event-{number}",
                    "creationTimestamp": format_time(self.now),
                },
                "spec": {
                    "key": KEY,
                    "payload": {"n": number},
                    "seenAt": format_time(self.now),
                },
            }
        )

    def want(self, **spec: object) -> None:
        """A user changes what should become of the run."""
        run = self.cluster.find(WORKFLOW_RUN.kind, RUN)
        assert run is not None
        self.cluster.edit(WORKFLOW_RUN, RUN, {**run["spec"], **spec})

    def delete_job(self, job: str) -> None:
        """A user deletes the Job, and with it the pod.

        Only once a status names it, or its pod has reported: nothing else in the cluster remembers
        a Job that was deleted in its first second, and it is made again.
        """
        is_noted = job in {entry.get("job") for entry in self.status().get("tasks", [])}
        if is_noted or self.cluster.find(TASK_RESULT.kind, job):
            self.deleted.add(job)
            if not is_noted:
                self.never_noted.add(job)
            if job in self.pods.code.seen:  # SIGTERM
                self.pods.park_pod(job)
            self.cluster.remove(JOB.kind, job)
            self._note(None, {})

    async def last_write_arrives(self) -> None:
        """The last write of an operator that has died reaches the API server."""
        await super().last_write_arrives()
        self._note(None, {})

    def page(self, task: str) -> JsonObject | None:
        """Return the log of a task."""
        first = next((each.job for each in self.made.values() if each.task == task), None)
        return self.cluster.find(DURABLE_LOG.kind, page_name(first)) if first else None

    def is_over(self) -> bool:
        """Return whether the run has ended, and nothing of it is left that could do something."""
        has_ended = self.status().get("phase") in TERMINAL_PHASES
        return has_ended and not any(map(self.pods.may_run, self.made))

    def set_clock_back(self, seconds: float) -> None:
        """Somebody sets the clock of the machine; time goes on all the same."""
        super().set_clock_back(seconds)
        self.time_is_steady = False
