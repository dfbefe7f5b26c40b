"""The operator's parts around the fake cluster, driven step by step."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONTROLLER_REVISION,
    DURABLE_LOG,
    JOB,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Cluster,
    kind_of,
)
from podhatch.core.common.observed import Defaults
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Answer, Evaluation
from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import place_of
from podhatch_operator.controllers.controller import ReconcileContext
from podhatch_operator.controllers.reconciler import WATCH_LIST, Reconciler
from podhatch_operator.keys import Key, run_key
from podhatch_operator.metrics import Hops, Metrics
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.watch.intake import Intake

from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator_cluster import OperatorCluster
from tests.unit.operator.timers import FakeTimers

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
RUN = run_key(NAMESPACE, "run")


class Evaluated:
    """Evaluates in this process what is requested."""

    def __init__(self, queue: Queue) -> None:
        self.answers: dict[Evaluation, Answer] = {}
        self.requests = 0
        self._queue = queue

    def request(self, key: Key, evaluations: Sequence[Evaluation]) -> None:
        self.requests += 1
        for evaluation in evaluations:
            self.answers[evaluation] = IN_PROCESS.get(evaluation)
        self._queue.add(key)


@dataclass
class Operator:
    """Cluster, cache, queue and reconciler, with a clock that stands still."""

    cluster: OperatorCluster = field(default_factory=OperatorCluster)
    timers: FakeTimers = field(default_factory=FakeTimers)
    metrics: Metrics = field(default_factory=Metrics)
    defaults: Defaults = field(default_factory=lambda: Defaults(runner_image="runner:test"))

    def __post_init__(self) -> None:
        self.cache = Cache(WATCH_LIST.indexes, self.timers.time)
        self.queue = Queue(self.timers, self.metrics)
        self.hops = Hops(self.metrics.hop)
        self.intake = Intake(WATCH_LIST, self.cache, self.queue, self.hops)
        self.reconciler = self.restarted()

    def restarted(self) -> Reconciler:
        self.begun = self.timers.now
        self.evaluated = Evaluated(self.queue)
        self.context = ReconcileContext(
            cast("Cluster", self.cluster),
            self.cache,
            self.queue,
            self.defaults,
            self.evaluated,
            WATCH_LIST,
            self.hops,
            now=lambda: START + timedelta(seconds=self.timers.now - self.begun),
            monotonic=self.timers.time,
        )
        return Reconciler(self.context)

    async def user_creates(self, *manifests: JsonObject) -> None:
        """Create objects, and let the operator see them."""
        for manifest in manifests:
            self.see(await self.cluster.create_as_user(manifest))

    def see(self, raw: JsonObject) -> None:
        """Let the operator see an object."""
        self.intake.changed(kind_of(raw), raw)

    def clock_begins(self, other: "Operator") -> None:
        """Have the same time as another operator."""
        self.begun = other.begun

    def unaware_of_jobs(self) -> "Operator":
        """Return an operator that sees all but the Jobs, as if their events were late."""
        other = Operator(self.cluster, self.timers)
        for kind in (WORKFLOW, WORKFLOW_RUN, CONTROLLER_REVISION):
            for raw in self.cluster.objects(kind.kind):
                other.intake.changed(kind, raw)
        return other

    async def pod_reports(self, job: str, output: str = "1", outcome: str = "Succeeded") -> None:
        """Write the TaskResult of a Job, and let the operator see it."""
        (found,) = [raw for raw in self.cluster.objects("Job") if raw["metadata"]["name"] == job]
        metadata = found["metadata"]
        task = metadata["labels"]["podhatch.dev/task"]
        await self.user_creates(
            {
                "apiVersion": WORKFLOW_RUN.api_version,
                "kind": TASK_RESULT.kind,
                "metadata": {"name": job, "namespace": NAMESPACE, "labels": metadata["labels"]},
                "spec": {
                    "run": "run",
                    "task": task,
                    "attempt": int(metadata["labels"]["podhatch.dev/attempt"]),
                    "outcome": outcome,
                    "output": output,
                },
            }
        )

    async def user_patches(self, run: JsonObject) -> None:
        """Change the spec of the run, and let the operator see it."""
        changed = await self.cluster.merge_patch(WORKFLOW_RUN, NAMESPACE, "run", {"spec": run})
        self.intake.changed(WORKFLOW_RUN, changed)

    def sees_deletions(self) -> None:
        """Let the operator see what is not there any more."""
        kinds = (WORKFLOW, WORKFLOW_RUN, WORKFLOW_EVENT, CONTROLLER_REVISION, JOB, DURABLE_LOG)
        for kind in kinds:
            there = {place_of(raw) for raw in self.cluster.objects(kind.kind)}
            for place in set(self.cache.places(kind)) - there:
                self.intake.gone(kind, place, self.cache.version(kind, place) + 1)

    async def work(self) -> list[Key]:
        """Reconcile what waits in the queue, and what comes back at once."""
        worked: list[Key] = []
        while len(self.queue):
            key = await self.queue.get()
            assert key is not None
            await self.reconciler.reconcile(key)
            self.queue.done(key)
            worked.append(key)
        await self.context.recorder.finish(5)
        return worked

    def status(self) -> JsonObject:
        (run,) = self.cluster.objects(WORKFLOW_RUN.kind)
        return run.get("status", {})

    def jobs(self) -> list[str]:
        return [job["metadata"]["name"] for job in self.cluster.objects("Job")]
