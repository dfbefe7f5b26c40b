"""Many runs with limits around one operator, which may die between any two writes.

Each run has one task. A run is under way from its first Job until its status says that it is over:
that is what a limit counts.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES
from podhatch.cluster import (
    CONTROLLER_REVISION,
    JOB,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_RUN,
    ApiError,
    Kind,
)
from podhatch_operator.metrics import Metrics
from podhatch_operator.queue.workers import RetryLater

from tests.fakes.objects import DEFAULTS, task, time_text, workflow
from tests.property.living_cluster import NAMESPACE, Killed, LivingCluster
from tests.unit.operator.operator import Operator
from tests.unit.operator.timers import FakeTimers

KINDS = (WORKFLOW_RUN, WORKFLOW, CONTROLLER_REVISION, JOB, TASK_RESULT)
_METRICS = Metrics()


@dataclass
class AdmissionWorld:
    """The cluster, one operator process, and the runs in the order of their creation."""

    limits: list[JsonObject]
    of_task: bool = False
    """Whether the limits are those of the task, and not of the workflow."""
    cluster: LivingCluster = field(default_factory=LivingCluster)
    runs: list[str] = field(default_factory=list[str])
    started: list[str] = field(default_factory=list[str])
    """Names of runs in the order of their first Jobs."""

    def __post_init__(self) -> None:
        self.operator = Operator(self.cluster, FakeTimers(), _METRICS, DEFAULTS)
        self.cluster.clock = lambda: self.now
        work = task("work", **({"concurrency": self.limits} if self.of_task else {}))
        fields = {} if self.of_task else {"concurrency": self.limits}
        self.cluster.put(workflow(work, **fields))
        self.restart()

    @property
    def now(self) -> datetime:
        return self.operator.context.now()

    def restart(self) -> None:
        """A new process lists everything and remembers nothing."""
        timers = FakeTimers()
        timers.now = self.operator.timers.now
        successor = Operator(self.cluster, timers, _METRICS, DEFAULTS)
        successor.clock_begins(self.operator)
        self.operator = successor
        for kind in KINDS:
            for raw in self.cluster.stored(kind.kind).values():
                successor.see(raw)
        self.heard = {kind: len(self.cluster.changes[kind.kind]) for kind in KINDS}

    def create(self, inputs: JsonObject, priority: int) -> None:
        """A user creates a run."""
        name = f"run-{len(self.runs):02}"
        self.runs.append(name)
        self.cluster.put(
            {
                "apiVersion": labels.API_VERSION,
                "kind": WORKFLOW_RUN.kind,
                "metadata": {
                    "name": name,
                    "namespace": NAMESPACE,
                    "creationTimestamp": time_text(self.now),
                },
                "spec": {"workflow": "flow", "input": inputs, "priority": priority},
            }
        )

    def end(self, run: str) -> None:
        """The task of a run reports, if it runs."""
        for job in self.jobs(run):
            name = job["metadata"]["name"]
            if self.cluster.find(TASK_RESULT.kind, name) is None:
                spec = {"run": run, "task": "work", "attempt": 1, "outcome": "Succeeded"}
                metadata = {
                    "name": name,
                    "namespace": NAMESPACE,
                    "labels": job["metadata"]["labels"],
                }
                self.cluster.put(
                    {
                        "apiVersion": labels.API_VERSION,
                        "kind": TASK_RESULT.kind,
                        "metadata": metadata,
                        "spec": {**spec, "output": "1"},
                    }
                )

    def cancel(self, run: str) -> None:
        """A user cancels a run."""
        found = self.cluster.find(WORKFLOW_RUN.kind, run)
        assert found is not None
        self.cluster.edit(WORKFLOW_RUN, run, {**found["spec"], "desiredState": "Cancelled"})

    def annotate(self, run: str) -> None:
        """A user changes something of a run that nothing follows from."""
        found = self.cluster.find(WORKFLOW_RUN.kind, run)
        assert found is not None
        self.cluster.edit(WORKFLOW_RUN, run, found["spec"])

    def deliver(self, kind: Kind) -> bool:
        """Hear of the next change of a kind; False when there is none."""
        changes, position = self.cluster.changes[kind.kind], self.heard[kind]
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
        """Hear once more of an old change."""
        position = self.heard[kind] - 1 - back
        if position >= 0 and self.cluster.changes[kind.kind][position].type != "DELETED":
            self.operator.intake.changed(kind, self.cluster.changes[kind.kind][position].object)

    def deliver_all(self) -> None:
        """Hear of every change there is."""
        for kind in KINDS:
            while self.deliver(kind):
                pass

    async def work(self, most: int = 1000, crash_after: int | None = None) -> None:
        """Reconcile keys of the queue; the process may die after some of its writes."""
        self.cluster.writes_left = crash_after
        with suppress(Killed):
            for _ in range(most):
                if not len(self.operator.queue):
                    break
                await self._reconcile_next()
        self.cluster.writes_left = None
        created, self.cluster.created = self.cluster.created, []
        jobs = [each for each in created if each["kind"] == JOB.kind]
        self.started += [job["metadata"]["labels"][labels.RUN] for job in jobs]
        if crash_after is not None:
            self.restart()

    async def _reconcile_next(self) -> None:
        operator = self.operator
        key = await operator.queue.get()
        assert key is not None
        try:
            await operator.reconciler.reconcile(key)
        except (RetryLater, ApiError):
            operator.queue.retry(key)
        else:
            operator.queue.forget(key)
        finally:
            operator.queue.done(key)
        await operator.context.recorder.finish(5)

    async def settle(self) -> None:
        """Let everything happen that happens by itself."""
        for _ in range(4):
            self.deliver_all()
            await self.work()
            self.operator.timers.pass_time(6)

    def jobs(self, run: str) -> list[JsonObject]:
        """Return the Jobs of a run."""
        jobs = self.cluster.stored(JOB.kind).values()
        return [job for job in jobs if job["metadata"]["labels"][labels.RUN] == run]

    def status(self, run: str) -> JsonObject:
        """Return the status of a run."""
        found = self.cluster.find(WORKFLOW_RUN.kind, run)
        assert found is not None
        return found.get("status", {})

    def input(self, run: str) -> JsonObject:
        """Return the input of a run."""
        found = self.cluster.find(WORKFLOW_RUN.kind, run)
        assert found is not None
        return found["spec"]["input"]

    def is_over(self, run: str) -> bool:
        """Whether the run's status says that it has ended."""
        return self.status(run).get("phase") in TERMINAL_PHASES

    def under_way(self) -> list[str]:
        """Return the runs that have a Job and have not ended."""
        return [run for run in self.runs if run in self.started and not self.is_over(run)]

    def waiting(self) -> list[str]:
        """Return the runs that have not started and have not ended, in the order of creation."""
        return [run for run in self.runs if run not in self.started and not self.is_over(run)]
