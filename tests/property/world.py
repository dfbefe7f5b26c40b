"""A run, its operator, and the users around them. The operator's process may end at any write.

The operator is the real one, with its cache, its queue and its writes; the cluster is in memory.
The test chooses every step; the world keeps what really happened, for the invariants.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.cluster import (
    CONTROLLER_REVISION,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    ApiError,
    Kind,
)
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run
from podhatch_operator.controllers.run import observe_run
from podhatch_operator.keys import Key, run_key
from podhatch_operator.metrics import Metrics
from podhatch_operator.queue.workers import RetryLater

from tests.fakes.objects import DEFAULTS
from tests.property.living_cluster import NAMESPACE, Killed, LivingCluster
from tests.property.pods import RUN, Behaviour, Pods, required_node
from tests.unit.operator.operator import Operator
from tests.unit.operator.timers import FakeTimers

KEY = run_key(NAMESPACE, RUN)
KINDS = (WORKFLOW_RUN, WORKFLOW, CONTROLLER_REVISION, JOB, POD, TASK_RESULT, WORKFLOW_EVENT)
"""Each has its own watch; the order between watches is undefined."""
_METRICS = Metrics()


@dataclass
class World:
    """The cluster, one operator process, and the facts of what was run."""

    behaviours: Mapping[str, Behaviour]
    parents: Mapping[str, list[str]]
    """Of each task; what is not named here has none."""
    sticky: str | None = None
    cluster: LivingCluster = field(default_factory=LivingCluster)
    started: list[str] = field(default_factory=list[str])
    """Names of Jobs in the order of their creation."""
    started_too_soon: bool = False
    """Whether the run was started before the time that the operator knew of."""
    before_parents: list[str] = field(default_factory=list[str])
    """Jobs that were made before a parent had succeeded or was skipped."""
    misplaced: list[str] = field(default_factory=list[str])
    """Jobs of a sticky run that another node than its own may run."""
    deadlines: dict[str, int] = field(default_factory=dict[str, int])
    """With which deadlines Jobs were made."""
    pushed: int = 0
    tasks: dict[str, str] = field(default_factory=dict[str, str])
    """The task of each Job that was ever made."""

    def __post_init__(self) -> None:
        self.pods = Pods(self.cluster, self.behaviours, lambda: self.now)
        self.operator = Operator(self.cluster, FakeTimers(), _METRICS, DEFAULTS)
        self.cluster.clock = lambda: self.now
        self.restart_operator()

    @property
    def now(self) -> datetime:
        return self.operator.context.now()

    def restart_operator(self) -> None:
        """A new process lists everything and remembers nothing."""
        timers = FakeTimers()
        timers.now = self.operator.timers.now
        successor = Operator(self.cluster, timers, _METRICS, DEFAULTS)
        successor.clock_begins(self.operator)
        self.operator, self.memo = successor, PlanMemo()
        for kind in KINDS:
            for raw in self.cluster.stored(kind.kind).values():
                successor.see(raw)
        self.heard = {kind: len(self.cluster.changes[kind.kind]) for kind in KINDS}

    async def reconcile(self, crash_after: int | None = None) -> None:
        """Reconcile the run; the process may die after some of its writes."""
        observed = self.observe()
        if observed is not None:
            self.plan(observed)
        self.cluster.writes_left = crash_after
        with suppress(Killed):
            await self._reconcile(KEY)
        self.cluster.writes_left = None
        self._note(observed)
        if crash_after is not None:
            self.restart_operator()

    async def work(self) -> None:
        """Reconcile what waits in the queue, as the workers do."""
        queue = self.operator.queue
        while len(queue):
            key = await queue.get()
            assert key is not None
            observed = self.observe()
            await self._reconcile(key)
            queue.done(key)
            self._note(observed)

    async def _reconcile(self, key: Key) -> None:
        """Reconcile, and again once what was asked for has been evaluated."""
        operator, requests = self.operator, -1
        while operator.evaluated.requests > requests:
            requests = operator.evaluated.requests
            try:
                await operator.reconciler.reconcile(key)
            except (RetryLater, ApiError) as failure:
                within = failure.within if isinstance(failure, RetryLater) else None
                operator.queue.retry(key, within)
            else:
                operator.queue.forget(key)
            await operator.context.recorder.finish(5)

    def observe(self) -> Observed | None:
        """Return what the operator shows the core."""
        context = self.operator.context
        return observe_run(context.cache, NAMESPACE, RUN, context.evaluator.answers)

    def plan(self, observed: Observed) -> Plan:
        """Plan, and once more without what earlier plans found out: it changes nothing."""
        plan = plan_run(observed, DEFAULTS, self.now, self.memo)
        assert plan == plan_run(observed, DEFAULTS, self.now), "the plan is not a function"
        return plan

    def _note(self, observed: Observed | None) -> None:
        """Note what became of the operator's writes."""
        made, self.cluster.made_jobs = self.cluster.made_jobs, []
        start = observed.run["spec"].get("startAt") if observed else None
        if made and not self.started and start:
            self.started_too_soon |= self.now < datetime.fromisoformat(start)
        for job in made:
            self._note_job(job)
            self._note_node(job, observed)
        deleted, self.cluster.deleted_jobs = self.cluster.deleted_jobs, []
        for name in deleted:
            self.pods.ended.setdefault(name, "Deleted")

    def _note_job(self, job: JsonObject) -> None:
        name, task = job["metadata"]["name"], job["metadata"]["labels"][labels.TASK]
        skipped = {
            entry["name"] for entry in self.status().get("tasks", []) if entry["state"] == "Skipped"
        }
        for parent in self.parents.get(task, []):
            if parent not in skipped and not self._has_succeeded(parent):
                self.before_parents.append(name)
        self.tasks[name] = task
        self.started.append(name)
        self.deadlines[name] = job["spec"]["activeDeadlineSeconds"]

    def _note_node(self, job: JsonObject, seen: Observed | None) -> None:
        """Note where a new Job may run, if the operator knew where a parent of its task ran."""
        name, node = job["metadata"]["name"], required_node(job)
        parents = self.parents.get(self.tasks[name], [])
        latest = {self.tasks[each]: each for each in self.started}
        known = [
            each
            for parent, each in latest.items()
            if parent in parents
            and self.pods.ended.get(each) == "Succeeded"
            and seen is not None
            and seen.pods.get(each)
        ]
        must_stay = self.sticky == "Hard" and known
        if (must_stay and node is None) or (node is not None and node not in self.pods.nodes):
            self.misplaced.append(name)

    def _has_succeeded(self, task: str) -> bool:
        return any(
            outcome == "Succeeded" and self.tasks[job] == task
            for job, outcome in self.pods.ended.items()
        )

    def status(self) -> JsonObject:
        """Return the status of the run."""
        run = self.cluster.find(WORKFLOW_RUN.kind, RUN)
        assert run is not None
        return run.get("status", {})

    # What the operator hears.

    def deliver(self, kind: Kind) -> bool:
        """Hear of the next change of a kind; False when there is none."""
        changes = self.cluster.changes[kind.kind]
        position = self.heard[kind]
        if position >= len(changes):
            return False
        self.heard[kind] += 1
        change = changes[position]
        if change.type == "DELETED":
            self.operator.intake.deleted(kind, change.object)
        else:
            self.operator.intake.changed(kind, change.object)
        return True

    def deliver_again(self, kind: Kind, back: int) -> None:
        """Hear once more of an old change; a deletion is not told twice."""
        position = self.heard[kind] - 1 - back
        if position >= 0:
            change = self.cluster.changes[kind.kind][position]
            if change.type != "DELETED":
                self.operator.intake.changed(kind, change.object)

    def deliver_all(self) -> None:
        """Hear of every change there is."""
        for kind in KINDS:
            while self.deliver(kind):
                pass

    def pass_time(self, seconds: float) -> None:
        """The clock goes on."""
        self.operator.timers.pass_time(seconds)

    def set_clock_back(self, seconds: float) -> None:
        """Somebody sets the clock of the machine; time goes on all the same."""
        self.operator.begun += seconds

    # What happens around the operator.

    def push_event(self) -> None:
        """Somebody pushes the event that tasks may wait for."""
        self.pushed += 1
        self.cluster.put(
            {
                "apiVersion": labels.API_VERSION,
                "kind": WORKFLOW_EVENT.kind,
                "metadata": {
                    "name": f"event-{self.pushed}",
                    "namespace": NAMESPACE,
                    "creationTimestamp": format_time(self.now),
                },
                "spec": {"key": "go", "payload": {"n": self.pushed}},
            }
        )

    def want(self, **spec: object) -> None:
        """A user changes what should become of the run."""
        run = self.cluster.find(WORKFLOW_RUN.kind, RUN)
        assert run is not None
        self.cluster.edit(WORKFLOW_RUN, RUN, {**run["spec"], **spec})

    def refuse_jobs(self, code: int) -> None:
        """The API server refuses Jobs: a quota is used up, or a policy finds them invalid."""
        self.cluster.refusals["create Job"] = ApiError(code, "Refused", "not now")

    def take_jobs(self) -> None:
        """The API server takes Jobs again."""
        self.cluster.refusals.clear()

    def delete_job(self, job: str) -> None:
        """A user deletes the Job, and with it the pod.

        Only once a status names it: nothing in the cluster remembers a Job that was deleted before
        that, in its first second, and it is made again.
        """
        if job in {entry.get("job") for entry in self.status().get("tasks", [])}:
            self.cluster.remove(JOB.kind, job)
            self._note(None)
