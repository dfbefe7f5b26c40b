"""WorkflowRuns: their Jobs and revisions, debounced status writes, and Kubernetes Events."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import has_ended, is_over
from podhatch.cluster import (
    CONTROLLER_REVISION,
    DURABLE_LOG,
    JOB,
    POD,
    RATE_LIMIT,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
)
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.durable.progress import parked_entry, task_of
from podhatch.core.pod.pods import controller_uid
from podhatch.core.run.acceptance import ancestors_of
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import MANY_TASKS, plan_admitted

from podhatch_operator.cache.cache import CHILDREN, Cache
from podhatch_operator.cache.store import Place, place_of
from podhatch_operator.cache.trimming import (
    JOB_NAME,
    ended_job,
    label,
    newest_unpacked,
    unpacked,
)
from podhatch_operator.controllers.controller import ReconcileContext
from podhatch_operator.controllers.cron import started_by_tick
from podhatch_operator.controllers.debouncer import DebouncedController
from podhatch_operator.keys import Key, run_key
from podhatch_operator.watch.watched import OURS, Watched, itself, nothing
from podhatch_operator.write.kubernetes_events import EventLookup

_BUSY_STATES = ("Queued", "Running")


def _of_child(_: Cache, child: JsonObject) -> Iterable[str]:
    return _run_of(child)


def _of_job(cache: Cache, job: JsonObject) -> Iterable[str]:
    """Return the run of an attempt; of a tick, the runs it started, which wait for what it says."""
    if _run_of(job) or not label(job, labels.CRON):
        return _run_of(job)
    namespace, name = place_of(job)
    keyed = cache.group(WORKFLOW_RUN, namespace, started_by_tick(job["metadata"]["uid"]))
    named = [name] if cache.knows(WORKFLOW_RUN, (namespace, name)) else []
    return (*named, *keyed)


def _of_workflow(cache: Cache, workflow: JsonObject) -> Iterable[str]:
    return cache.group(WORKFLOW_RUN, *place_of(workflow))


def _of_revision(cache: Cache, revision: JsonObject) -> Iterable[str]:
    namespace, _ = place_of(revision)
    return cache.group(WORKFLOW_RUN, namespace, label(revision, labels.WORKFLOW) or "")


def _awaiting(cache: Cache, event: JsonObject) -> Iterable[str]:
    namespace, _ = place_of(event)
    key: str = event["spec"]["key"]
    return {
        name: None
        for runs in cache.groups(WORKFLOW_RUN, namespace)
        for name, run in runs.items()
        if key in awaited_by(cache, namespace, run)
    }


def _of_new_limit(cache: Cache, limit: JsonObject) -> Iterable[str]:
    """Wake those that wait for a limit that is new: their statuses say that it is not there."""
    return () if "status" in limit else _waiting_for(cache, limit)


def _waiting_for(cache: Cache, limit: JsonObject) -> Iterable[str]:
    namespace, name = place_of(limit)
    return cache.rate_limits.of(namespace).runs_waiting(name)


def _of_log(cache: Cache, log: JsonObject) -> Iterable[str]:
    """Return the run of a log if its task has no pod, which would follow the log itself."""
    namespace, _ = place_of(log)
    return [
        run
        for run in _run_of(log)
        if parked_entry(cache.get(WORKFLOW_RUN, (namespace, run)) or {}, task_of(log))
    ]


def _run_of(child: JsonObject) -> list[str]:
    run = label(child, labels.RUN)
    return [run] if run else []


def _run_and_owner(job: JsonObject) -> list[str]:
    """Jobs are found by their run's name, and by its uid, too: another may have had the name."""
    return [group for run in _run_of(job) for group in (run, f"{run}/{controller_uid(job)}")]


def _workflow_of_run(run: JsonObject) -> Iterable[str]:
    """Runs under way are found by their workflow."""
    return () if is_over(run) else (run["spec"]["workflow"],)


class RunController(DebouncedController[Observed]):
    """Reconciles runs."""

    kind = WORKFLOW_RUN
    watched = (
        Watched(WORKFLOW_RUN, itself, index=_workflow_of_run),
        Watched(WORKFLOW, _of_workflow),
        Watched(CONTROLLER_REVISION, _of_revision, OURS),
        Watched(
            WORKFLOW_EVENT,
            _awaiting,
            index=lambda raw: (raw["spec"]["key"],),
            affects_when_gone=nothing,
        ),
        Watched(JOB, _of_job, OURS, index=_run_and_owner),
        Watched(POD, _of_child, OURS, index=_run_of),
        Watched(TASK_RESULT, _of_child, index=_run_of),
        Watched(DURABLE_LOG, _of_log, index=_run_of),
        Watched(RATE_LIMIT, _of_new_limit, affects_when_gone=_waiting_for),
    )
    status_affects = True  # what follows from it, such as deletions, and what the cron says

    def __init__(self, context: ReconcileContext) -> None:
        super().__init__(context)
        self._events = EventLookup(context.cluster, context.monotonic)
        self._memos: dict[Key, PlanMemo] = {}

    @classmethod
    def places(cls, cache: Cache) -> Iterable[Place]:
        """Return all runs, finished ones last."""
        return sorted(
            super().places(cache), key=lambda place: has_ended(cache.get(WORKFLOW_RUN, place) or {})
        )

    @staticmethod
    def observe(cache: Cache, namespace: str, name: str) -> Observed | None:
        """Return a run and what the cache holds about it."""
        run = cache.get(WORKFLOW_RUN, (namespace, name))
        if run is None:
            return None
        run = unpacked(WORKFLOW_RUN, run)
        workflow: str = run["spec"]["workflow"]
        parent: JsonObject | None = run["spec"].get("parent")
        tick: JsonObject | None = run["spec"].get("trigger", {}).get("cron")
        events = [
            event
            for each in awaited_by(cache, namespace, run)
            for event in cache.group(WORKFLOW_EVENT, namespace, each).values()
        ]
        return Observed(
            run=run,
            workflow=cache.get(WORKFLOW, (namespace, workflow)),
            revisions=dict(cache.revisions(namespace, workflow)),
            jobs=_jobs(cache, run),
            events=newest_unpacked(events),
            pods=_by_job(cache.group(POD, namespace, name).values()),
            results=dict(cache.group(TASK_RESULT, namespace, name)),
            durable_logs=dict(cache.group(DURABLE_LOG, namespace, name)),
            parent_job=cache.get(JOB, (namespace, parent["job"])) if parent else None,
            tick_job=cache.get(JOB, (namespace, tick["job"])) if tick else None,
            ancestors=[*ancestors_of(run, lambda name: cache.get(WORKFLOW_RUN, (namespace, name)))],
            queues=cache.rate_limits.of(namespace),
            admission=cache.admission,
        )

    def observe_all(self, key: Key) -> Observed | None:
        """Return a run and what is known about it, also of pods that do not start."""
        observed = super().observe_all(key)
        return observed and replace(observed, notes=self._events.found())

    def plan(self, observed: Observed, now: datetime) -> Plan:
        """Return what the run needs next."""
        return plan_admitted(observed, self.context.defaults, now, self._memo(observed))

    def _memo(self, observed: Observed) -> PlanMemo | None:
        """Return what earlier plans of a run computed; a run that is over needs none.

        A plan with refusals uses none either, because the next plan does not know them.
        """
        if observed.refusals:
            return None
        run = observed.run
        key = run_key(*place_of(run))
        if is_over(run):
            self._memos.pop(key, None)
            return None
        return self._memos.setdefault(key, PlanMemo())

    def subject(self, observed: Observed) -> JsonObject:
        """Return the run."""
        return observed.run

    async def learn(
        self, key: Key, observed: Observed, plan: Plan, now: datetime
    ) -> tuple[Observed, Plan]:
        """Look up why pods do not start, unless that was known."""
        if observed.notes.keys() >= set(plan.look_up):
            return observed, plan
        notes = await self._events.find(key.namespace, plan.look_up)
        observed = replace(observed, notes=notes)
        return observed, self.plan(observed, now)

    def forget(self, key: Key) -> None:
        """The run is gone, maybe while a plan was made that has noted its claims once more."""
        super().forget(key)
        self.context.cache.admission.forget((key.namespace, key.name))
        self._memos.pop(key, None)
        self.context.hops.take(key)

    async def reconcile(self, key: Key) -> None:
        """Reconcile; of a finished run that starts over, fetch its children again first."""
        if self.context.cache.lacks_children((key.namespace, key.name)):
            await self._fetch_children(key)
        await super().reconcile(key)

    async def _fetch_children(self, key: Key) -> None:
        place = (key.namespace, key.name)
        cache, cluster = self.context.cache, self.context.cluster
        for kind in CHILDREN:
            selector = f"{labels.RUN}={key.name}"
            children, _ = await cluster.list(kind, key.namespace, label_selector=selector)
            cache.restore(place, kind, children)
        cache.restored(place)

    async def execute(self, key: Key, plan: Plan) -> dict[str, ApiRefusal]:
        """Carry out the plan's writes, and time the step from a result to the next Job."""
        result_arrived = self.context.hops.take(key)
        refusals = await super().execute(key, plan)
        if any(manifest["kind"] == JOB.kind for manifest in plan.create):
            self.context.hops.job_created(result_arrived)
        return refusals

    async def conclude(self, key: Key, observed: Observed, plan: Plan) -> None:
        """Write the status, and keep nothing computed of a run that rests and will."""
        stored: JsonObject = observed.run.get("status", {})
        if _rests(stored) and _rests(plan.status or stored):
            self._memos.pop(key, None)
        await super().conclude(key, observed, plan)


def _rests(status: JsonObject) -> bool:
    """Return whether only tasks without pods are under way, maybe for weeks.

    There may be many such runs. What was computed of one is computed again when a wait is over.
    """
    tasks: list[JsonObject] = status.get("tasks", [])
    states = {each["state"] for each in tasks[: MANY_TASKS + 1]}
    return len(tasks) <= MANY_TASKS and "Waiting" in states and states.isdisjoint(_BUSY_STATES)


def awaited_by(cache: Cache, namespace: str, run: JsonObject) -> frozenset[str]:
    """Return the keys of the events that a run may wait for: those in its workflow's conditions."""
    if is_over(run):
        return frozenset()
    workflow: str = run["spec"]["workflow"]
    revisions = cache.revisions(namespace, workflow)
    pinned: str = run.get("status", {}).get("revision") or ""
    names = [pinned] if pinned in revisions else revisions
    keys = [cache.event_keys(CONTROLLER_REVISION, (namespace, name)) for name in names]
    if pinned not in revisions:
        keys.append(cache.event_keys(WORKFLOW, (namespace, workflow)))
    return frozenset[str]().union(*keys)


def _jobs(cache: Cache, run: JsonObject) -> dict[str, JsonObject]:
    """Return the run's Jobs; for a run that is over, little more than their names."""
    namespace, name = place_of(run)
    uid: str = run["metadata"]["uid"]
    ended = {each: ended_job(each) for each in cache.names_of(JOB, namespace, uid)}
    return {**ended, **cache.group(JOB, namespace, f"{name}/{uid}")}


def _by_job(pods: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
    grouped: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for pod in pods:  # all have labels: by one of them they are found
        grouped[pod["metadata"]["labels"].get(JOB_NAME, "")].append(pod)
    return grouped
