"""The base class of all controllers, and the context that they share."""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import ClassVar, Generic, Protocol, TypeVar

from podhatch.api.model import JsonObject
from podhatch.cluster import CONTROLLER_REVISION, RATE_LIMIT, WORKFLOW_RUN, ClusterApi, Kind
from podhatch.core.common.idempotency import KeyedRuns, RunKey
from podhatch.core.common.observed import Defaults, ObservedObject
from podhatch.core.common.plan import Create, Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.expressions.evaluation import Answers, Evaluation
from podhatch.core.pod.pods import is_controlled_by

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import Place, place_of
from podhatch_operator.keys import Key, run_key
from podhatch_operator.metrics import Hops
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.queue.workers import RetryLater
from podhatch_operator.watch.watched import Watched, WatchList
from podhatch_operator.write.executor import Executor
from podhatch_operator.write.kubernetes_events import EventRecorder

T = TypeVar("T", bound=ObservedObject)


class Evaluating(Protocol):
    """Has expressions and schemas evaluated that users wrote."""

    @property
    def answers(self) -> Answers:
        """What is known so far."""
        ...

    def request(self, key: Key, evaluations: Sequence[Evaluation]) -> None:
        """Have these evaluated, and the key reconciled again then."""
        ...


@dataclass
class ReconcileContext:
    """Shared by the controllers of all kinds."""

    cluster: ClusterApi
    cache: Cache
    queue: Queue
    defaults: Defaults
    evaluator: Evaluating
    watched: WatchList
    hops: Hops
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.executor = Executor(self.cluster, self.watched, self.cache, self.queue)
        self.recorder = EventRecorder(self.cluster)
        self.cache.admission.start(self._wake_run)
        self.cache.rate_limits.start(
            lambda namespace, limit: self.queue.add(Key(RATE_LIMIT.kind, namespace, limit)),
            self._wake_run,
        )

    def _wake_run(self, namespace: str, run: str) -> None:
        self.queue.add(run_key(namespace, run))

    def enqueue_affected(self, kind: Kind, raw: JsonObject) -> None:
        """Have all reconciled that the new status of an object concerns."""
        for key in self.watched.keys(self.cache, kind, self.cache.get(kind, place_of(raw)) or raw):
            self.queue.add(key)

    def requeue_at(self, key: Key, moment: datetime | None) -> None:
        """Have the key reconciled then; None: when something changes."""
        if moment is None:
            self.queue.cancel_appointment(key)
        else:
            self.queue.add_after(key, (moment - self.now()).total_seconds())


class Controller(ABC, Generic[T]):
    """Reconciles the objects of one kind.

    A subclass declares the kinds that it watches, and which of its objects a change affects; it
    observes the cache and asks the core for a plan.
    """

    kind: ClassVar[Kind]
    watched: ClassVar[Sequence[Watched]]
    """What is followed, its own kind first."""
    status_affects: ClassVar[bool] = False
    """Whether a new status affects the same objects as any other change."""

    def __init__(self, context: ReconcileContext) -> None:
        self.context = context

    @classmethod
    def places(cls, cache: Cache) -> Iterable[Place]:
        """Return all there is to reconcile at the start."""
        return cache.places(cls.kind)

    @staticmethod
    @abstractmethod
    def observe(cache: Cache, namespace: str, name: str) -> T | None:
        """Return all that the cache holds about the object at this moment; None: nothing."""

    def observe_all(self, key: Key) -> T | None:
        """Return what the cache holds about the object, and what is known beside it."""
        observed = self.observe(self.context.cache, key.namespace, key.name)
        return observed and replace(observed, answers=self.context.evaluator.answers)

    @abstractmethod
    def plan(self, observed: T, now: datetime) -> Plan:
        """Return what the core decides."""

    @abstractmethod
    def subject(self, observed: T) -> JsonObject | None:
        """Return the object whose status the plan holds; None when it is gone."""

    def forget(self, key: Key) -> None:
        """The object is gone: forget what was kept of it."""

    async def learn(
        self,
        key: Key,  # noqa: ARG002 - for those that learn something
        observed: T,
        plan: Plan,
        now: datetime,  # noqa: ARG002
    ) -> tuple[T, Plan]:
        """Look up what the plan needs to know first, and return the plan made with it."""
        return observed, plan

    async def learn_keyed_runs(
        self, key: Key, observed: T, plan: Plan, now: datetime
    ) -> tuple[T, Plan]:
        """List the runs that have the idempotency keys which the plan asks for."""
        while plan.list_keys:
            found = {each: await self._keyed_runs(key.namespace, each) for each in plan.list_keys}
            observed = replace(observed, keyed_runs={**observed.keyed_runs, **found})
            plan = self.plan(observed, now)
        return observed, plan

    async def _keyed_runs(self, namespace: str, asked: RunKey) -> KeyedRuns:
        cluster = self.context.cluster
        runs, _ = await cluster.list(WORKFLOW_RUN, namespace, field_selector=asked.selector)
        return KeyedRuns(runs, cluster.now())

    async def reconcile(self, key: Key) -> None:
        """Observe, plan, execute the plan, and report refusals.

        Raises:
            RetryLater: what was decided is out of date, or a write was refused.
            ApiError, ClusterUnreachable: a request failed.
        """
        context, now = self.context, self.context.now()
        observed = self.observe_all(key)
        if observed is None:
            self.forget(key)
            context.queue.cancel_appointment(key)
            return
        observed, plan = await self.learn(key, observed, self.plan(observed, now), now)
        if self.is_evaluated_first(key, plan):
            return
        refusals = await self.execute(key, plan)
        if refusals:
            plan = await self._plan_with_refusals(key, observed, plan, refusals, now)
            if self.is_evaluated_first(key, plan):  # an answer of the first plan was dropped
                return
        await self.conclude(key, observed, plan)
        self.retry(plan, refusals)

    async def _plan_with_refusals(
        self, key: Key, observed: T, plan: Plan, refusals: dict[str, ApiRefusal], now: datetime
    ) -> Plan:
        """Return the plan that knows what was refused. What only it creates is created now.

        Its status may name the Job of a failure task, which would be missed by the next plan.
        """
        known = _names(plan.create)
        while True:
            plan = replace(self.plan(replace(observed, refusals=refusals), now), urgent=True)
            new = _names(plan.create) - known
            if plan.evaluate or not new:
                return plan
            known |= new
            creates = tuple(  # revisions come first: no Job may exist without its own
                Create(each)
                for each in plan.create
                if each["metadata"]["name"] in new or each["kind"] == CONTROLLER_REVISION.kind
            )
            refusals |= await self.execute(key, replace(plan, writes=creates))

    def is_evaluated_first(self, key: Key, plan: Plan) -> bool:
        """Request the evaluations that the plan needs, if any: the key comes back with them."""
        if plan.evaluate:
            self.context.evaluator.request(key, plan.evaluate)
        return bool(plan.evaluate)

    async def execute(self, key: Key, plan: Plan) -> dict[str, ApiRefusal]:
        """Carry out the plan's writes, and return the refusals by name."""
        return await self.context.executor.execute(key.namespace, plan.writes)

    async def conclude(self, key: Key, observed: T, plan: Plan) -> None:
        """Write the status and what announces it, and requeue the object in time."""
        context, raw = self.context, self.subject(observed)
        if (
            raw is not None
            and plan.status is not None
            and await context.executor.write_status(self.kind, raw, plan.status)
        ):
            context.recorder.record(plan.events)
            if self.status_affects:
                context.enqueue_affected(self.kind, raw)
        context.requeue_at(key, plan.requeue_at)

    def retry(self, plan: Plan, refusals: Mapping[str, ApiRefusal]) -> None:
        """Retry later if a write was refused.

        Raises:
            RetryLater: a write was refused.
        """
        for name, refusal in refusals.items():
            until = plan.requeue_at
            within = (until - self.context.now()).total_seconds() if until else None
            raise RetryLater(f"{name} was refused ({refusal.code}): {refusal.message}", within)


def _names(manifests: Iterable[JsonObject]) -> set[str]:
    return {each["metadata"]["name"] for each in manifests}


def owned_by(owner: JsonObject, children: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    """Leave out children of an earlier owner of the same name."""
    return {name: child for name, child in children.items() if is_controlled_by(child, owner)}
