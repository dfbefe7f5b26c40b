"""Carries out the operator's decisions without a cluster, for all runs of one `LocalCluster`.

A small operator: observe, plan, create, store the status, requeue. It runs in the background loop.
"""

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Generator
from dataclasses import replace
from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.client import background_loop
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.common.idempotency import KeyedRuns, RunKey
from podhatch.core.common.observed import Defaults, Observed, ObservedEvent
from podhatch.core.common.plan import Plan
from podhatch.core.event.plan import plan_event
from podhatch.core.run.acceptance import ancestors_of
from podhatch.core.run.plan import plan_admitted
from podhatch.errors import RunDeleted
from podhatch.evaluation.client import WITHIN_LIMITS
from podhatch.local.clock import Clock
from podhatch.local.cluster import NAMESPACE, LocalCluster
from podhatch.local.durable_logs import DurableLogs
from podhatch.local.execution import TaskExecutor, current_waits, pod_name
from podhatch.local.kubelet import Kubelet
from podhatch.local.options import Mocks
from podhatch.local.rate_limits import grant_units

PATIENCE_SECONDS = 10.0
"""Runs for which nothing happens any more for so long are worth a warning."""
_DEFAULTS = Defaults(runner_image="local")
_logger = logging.getLogger("podhatch")


class Engine:
    """Runs what the cluster holds.

    Attributes:
        cluster: The objects.
        clock: The time by which it decides.
        mocks: What stands in for tasks.
    """

    def __init__(self, clock: Clock, executor: TaskExecutor, mocks: Mocks) -> None:
        self.clock = clock
        self.mocks = mocks
        self.cluster = LocalCluster(clock, self._noticed)
        self._logs = DurableLogs(self.cluster)
        self._kubelet = Kubelet(self.cluster, clock, executor, mocks, self._logs)
        self._due: dict[str, datetime] = {}
        """When to look at a run again, by its name."""
        self._agenda: list[tuple[datetime, Callable[[], object]]] = []
        self._dirty: dict[str, None] = {}
        """Names of runs to look at."""
        self._limits_changed = False
        self._limits_due: datetime | None = None
        """When to look at the rate limits again."""
        self._events: list[str] = []
        """Names of events that are new."""
        self._waiters: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self._waiting = 0
        """How many wait for a run from outside of tasks."""
        self._warned = False
        self._failure: Exception | None = None
        self._wake = asyncio.Event()
        self._admission = AdmissionIndex()
        self._rate_limits = RateLimitIndex()
        self._admission.start(self._woken)
        self._rate_limits.start(self._limit_woken, self._woken)
        self._loop = background_loop.get().loop

    def start(self) -> None:
        """Begin to serve, in the background loop, in the context of the caller."""
        self._kubelet.start(self._loop, self._wake)
        self.clock.on_move(self._kubelet.wake)
        self._serving = background_loop.get().submit(self._serve())

    async def close(self) -> None:
        """Stop what still runs, and forget it."""
        self._serving.cancel()
        self._failure = RunDeleted("the local run has ended, and all that it started with it")
        for run in [*self._waiters]:
            self._tell(run)
        await self._kubelet.close()

    def call_at(self, moment: datetime, action: Callable[[], object]) -> None:
        """Do something when the clock says so."""
        self._agenda.append((moment, action))
        self._wake.set()

    async def ended(self, run: JsonObject) -> JsonObject:
        """Return the run at its end. Where a fake clock jumps, it is for those who wait here.

        Raises:
            RunDeleted: It is gone.
        """
        name: str = run["metadata"]["name"]
        with self._waited_for():
            while True:
                if self._failure is not None:
                    raise self._failure
                stored = self.cluster.find("WorkflowRun", name)
                if stored is None:
                    raise RunDeleted(f"run {name!r} was deleted before it ended")
                if is_over(stored):
                    return stored
                future = self._loop.create_future()
                self._waiters[name].append(future)
                self._wake.set()
                await future

    def settle(self) -> None:
        """Look at all that has changed at once; in the engine's loop."""
        while self._is_behind:
            self._look()

    @property
    def _is_behind(self) -> bool:
        """Whether something has changed that nobody has looked at."""
        return bool(self._dirty or self._events or self._limits_changed or self._logs.is_behind)

    @contextlib.contextmanager
    def _waited_for(self) -> Generator[None]:
        """Count the one that waits: a task of ours, or somebody who may be a task elsewhere."""
        waits = current_waits.get()
        from_outside = waits is None or waits.listener is not self._kubelet
        self._waiting += from_outside
        try:
            with waits.one_more() if waits else contextlib.nullcontext():
                yield
        finally:
            self._waiting -= from_outside

    def _woken(self, _: str, run: str) -> None:
        self._dirty[run] = None

    def _limit_woken(self, *_: str) -> None:
        self._limits_changed = True

    def _noticed(self, stored: JsonObject) -> None:
        """An object has changed: look at the runs that it concerns."""
        kind, name = stored["kind"], stored["metadata"]["name"]
        self._logs.noticed(stored)
        if kind == "WorkflowRun":
            self._dirty[name] = None
            self._admission.observe(stored)
            self._rate_limits.observe_run(stored)
            self._tell(name)
        elif kind == "RateLimit":
            self._limits_changed = True
            self._rate_limits.observe_limit(stored)
        elif run := stored["metadata"].get("labels", {}).get(labels.RUN):
            self._dirty[run] = None
        elif kind in ("Workflow", "WorkflowEvent"):
            if kind == "WorkflowEvent" and "status" not in stored:
                self._events.append(name)
            runs = self.cluster.stored("WorkflowRun")
            self._dirty.update(dict.fromkeys(name for name in runs if not is_over(runs[name])))
        self._wake.set()

    def _tell(self, run: str) -> None:
        stored = self.cluster.find("WorkflowRun", run)
        if stored is None or is_over(stored) or self._failure is not None:
            for future in self._waiters.pop(run, []):
                if not future.done():
                    future.set_result(None)

    async def _serve(self) -> None:
        try:
            while True:
                self._wake.clear()
                self._keep_appointments()
                if self._is_behind:
                    self._look()
                    await asyncio.sleep(0)
                else:
                    await self._pause()
        except Exception as error:
            self._failure = error
            for run in [*self._waiters]:
                self._tell(run)

    def _keep_appointments(self) -> None:
        now = self.clock.now()
        for run in [run for run, moment in self._due.items() if moment <= now]:
            del self._due[run]
            self._dirty[run] = None
        self._logs.keep_appointments(now)
        self._limits_changed |= self._limits_due is not None and self._limits_due <= now
        due = [each for each in self._agenda if each[0] <= now]
        self._agenda = [each for each in self._agenda if each[0] > now]
        for _, action in sorted(due, key=lambda each: each[0]):
            action()
        self._kubelet.look_at_clock()

    async def _pause(self) -> None:
        """Sleep until there is something to do; a fake clock jumps there if nobody is busy."""
        kubelet = self._kubelet
        appointments = (moment for moment, _ in self._agenda)
        known_moments = [*self._due.values(), *appointments, *kubelet.deadlines]
        others = filter(None, [self._limits_due, self._logs.next_at])
        first = min([*known_moments, *others], default=None)
        if first and self._waiting and not kubelet.is_busy and self.clock.jump_to(first):
            return
        waits = (kubelet.seconds_left, self.clock.seconds_until(first) if first else None)
        known = [max(0.0, wait) for wait in waits if wait is not None]
        stuck = self._waiting > 0 and first is None and not kubelet.is_busy and not self._warned
        try:
            async with asyncio.timeout(PATIENCE_SECONDS if stuck else min(known, default=None)):
                await self._wake.wait()
        except TimeoutError:
            if stuck:
                self._warn()

    def _warn(self) -> None:
        """Say once what is waited for, when only somebody else can make it happen."""
        self._warned = True
        for name, run in self.cluster.stored("WorkflowRun").items():
            if not is_over(run):
                tasks: list[JsonObject] = run.get("status", {}).get("tasks", [])
                told = [
                    f"task {each['name']} {each['message']}"
                    for each in tasks
                    if each.get("reason") == "WaitingForConditions"
                ]
                told += self._logs.waiting(name)
                _logger.warning(
                    "run %s waits, and nothing is left that would happen by itself: %s",
                    name,
                    "; ".join(told) or run.get("status", {}).get("message", ""),
                )

    def _look(self) -> None:
        """Look at the new events, at rate limits and durable logs, then at one run."""
        while self._events:
            self._start_runs(self._events.pop(0))
        self._logs.look(self.clock.now())
        if self._limits_changed:
            self._limits_changed = False
            queues = self._rate_limits.of(NAMESPACE)
            self._limits_due = grant_units(self.cluster, queues, self.clock.now())
        if self._dirty:
            run = next(iter(self._dirty))
            del self._dirty[run]
            self._reconcile(run)

    def _start_runs(self, name: str) -> None:
        event = self.cluster.find("WorkflowEvent", name)
        if event is not None:
            observed = _observe_event(self.cluster, event)
            plan = plan_event(observed, self.clock.now())
            if plan.list_keys:
                keyed_runs = {key: self._keyed_runs(key) for key in plan.list_keys}
                plan = plan_event(replace(observed, keyed_runs=keyed_runs), self.clock.now())
            for manifest in plan.create:
                self.cluster.put(manifest)
            self.cluster.change("WorkflowEvent", name, status=plan.status or {})

    def _keyed_runs(self, key: RunKey) -> KeyedRuns:
        runs = [run for run in self.cluster.stored("WorkflowRun").values() if key.is_of(run)]
        return KeyedRuns(runs, self.cluster.now())

    def _reconcile(self, name: str) -> None:
        self._due.pop(name, None)
        run = self.cluster.find("WorkflowRun", name)
        if run is None:
            return
        observed = _observe_run(self.cluster, run, self._admission, self._rate_limits)
        plan = plan_admitted(observed, _DEFAULTS, self.clock.now())
        self._carry_out(name, plan)
        stored = self.cluster.find("WorkflowRun", name)
        if plan.requeue_at and stored and not is_over(stored):
            self._due[name] = plan.requeue_at

    def _carry_out(self, name: str, plan: Plan) -> None:
        for manifest in plan.apply:
            known = self.cluster.find(manifest["kind"], manifest["metadata"]["name"])
            if known is None:
                self.cluster.put(manifest)
            else:
                self.cluster.change(
                    manifest["kind"], manifest["metadata"]["name"], spec=manifest["spec"]
                )
        for manifest in plan.create:
            stored = self.cluster.put(manifest)
            if stored["kind"] == "Job":
                self._kubelet.run(stored)
        for each in plan.patch:
            if each.kind == "Pod":
                self._kubelet.end(each.name)
            else:
                spec = {**self.cluster.stored(each.kind)[each.name]["spec"], **each.body["spec"]}
                self.cluster.change(each.kind, each.name, spec=spec)
        if plan.status is not None:
            self.cluster.change("WorkflowRun", name, status=plan.status)
        for each in plan.delete:
            if each.kind != "WorkflowRun":  # it is kept as long as the engine, for who asks later
                self.cluster.remove(each.kind, each.name)
            if each.kind == "Job":
                self._kubelet.stop(each.name)


def _observe_run(
    cluster: LocalCluster, run: JsonObject, admission: AdmissionIndex, rate_limits: RateLimitIndex
) -> Observed:
    """Return a run with all that belongs to it."""
    name: str = run["metadata"]["name"]
    jobs, pods = cluster.of_run("Job", name), cluster.of_run("Pod", name)
    return Observed(
        run,
        cluster.find("Workflow", run["spec"]["workflow"]),
        cluster.stored("ControllerRevision"),
        jobs,
        {job: [pods[pod_name(job)]] for job in jobs if pod_name(job) in pods},
        cluster.of_run("TaskResult", name),
        [*cluster.stored("WorkflowEvent").values()],
        durable_logs=cluster.of_run("DurableLog", name),
        ancestors=[*ancestors_of(run, lambda above: cluster.find("WorkflowRun", above))],
        answers=WITHIN_LIMITS,
        queues=rate_limits.of(NAMESPACE),
        admission=admission,
    )


def _observe_event(cluster: LocalCluster, event: JsonObject) -> ObservedEvent:
    """Return an event with the workflows that events start, and their filters."""
    workflows = [each for each in cluster.stored("Workflow").values() if "onEvents" in each["spec"]]
    filters: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for each in cluster.stored("EventFilter").values():
        filters[each["spec"]["workflow"]].append(each)
    return ObservedEvent(event, workflows, filters, answers=WITHIN_LIMITS)
