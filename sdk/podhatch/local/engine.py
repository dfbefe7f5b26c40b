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
from podhatch.api.limits import MAX_UNITS
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.rate_limit import RateLimit, RateLimitSpec
from podhatch.api.run import is_over
from podhatch.client import background_loop
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.admission.units import UnitQueues
from podhatch.core.common.idempotency import KeyedRuns, RunKey
from podhatch.core.common.observed import Defaults, ObservedRateLimit
from podhatch.core.common.plan import Plan, first
from podhatch.core.durable.plan import plan_durable_log
from podhatch.core.event.plan import plan_event
from podhatch.core.rate_limit.plan import plan_rate_limit
from podhatch.core.run.plan import plan_admitted
from podhatch.errors import RunDeleted
from podhatch.local.clock import Clock
from podhatch.local.cluster import NAMESPACE, LocalCluster
from podhatch.local.kubelet import Kubelet, TaskExecutor, current_waits
from podhatch.local.observing import concerned_logs, observe_event, observe_log, observe_run
from podhatch.local.options import Mocks

PATIENCE_SECONDS = 10.0
"""Runs for which nothing happens any more for so long are worth a warning."""
_DEFAULTS = Defaults(runner_image="local")
_logger = logging.getLogger("podhatch")


class _Queue:
    """Names of the objects to look at, now and later, by their kinds: what others need comes first.

    Rate limits are looked at together: their name is empty.
    """

    def __init__(self) -> None:
        kinds = ("WorkflowEvent", "DurableLog", "RateLimit", "WorkflowRun")
        self._now: dict[str, dict[str, None]] = {kind: {} for kind in kinds}
        self._later: dict[tuple[str, str], datetime] = {}

    @property
    def next_at(self) -> datetime | None:
        """When to look at the next object."""
        return first(self._later.values())

    def add(self, kind: str, *names: str) -> None:
        """Look at these now."""
        self._now[kind].update(dict.fromkeys(names))

    def add_at(self, kind: str, name: str, moment: datetime | None) -> None:
        """Look at it again then; None for when something changes."""
        if moment is not None:
            self._later[kind, name] = moment

    def advance(self, now: datetime) -> None:
        """Look now at what was to be looked at later."""
        for kind, name in [key for key, moment in self._later.items() if moment <= now]:
            self.add(kind, name)

    def pop(self) -> tuple[str, str] | None:
        """Return what to look at; None for nothing."""
        for kind, names in self._now.items():
            if names:
                name = next(iter(names))
                del names[name]
                self._later.pop((kind, name), None)
                return kind, name
        return None


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
        self._queue = _Queue()
        self._agenda: list[tuple[datetime, Callable[[], object]]] = []
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
        self._kubelet = Kubelet(self.cluster, clock, executor, self._loop, self._wake)

    def start(self) -> None:
        """Begin to serve, in the background loop, in the context of the caller."""
        self.clock.on_move(self._kubelet.wake)
        self._serving = background_loop.get().submit(self._serve())

    async def close(self) -> None:
        """Stop what still runs, and forget it."""
        self._serving.cancel()
        self._fail(RunDeleted("the local run has ended, and all that it started with it"))
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
        while self._look():
            pass

    @contextlib.contextmanager
    def _waited_for(self) -> Generator[None]:
        """Count the one that waits: a task of ours, or somebody who may be a task elsewhere."""
        waits = current_waits.get()
        from_outside = waits is None or waits.kubelet is not self._kubelet
        self._waiting += from_outside
        if waits is not None:
            waits.count += 1
        try:
            yield
        finally:
            self._waiting -= from_outside
            if waits is not None:
                waits.count -= 1

    def _woken(self, _: str, run: str) -> None:
        self._queue.add("WorkflowRun", run)

    def _limit_woken(self, *_: str) -> None:
        self._queue.add("RateLimit", "")

    def _noticed(self, stored: JsonObject) -> None:
        """An object has changed: look at all that it concerns."""
        kind, name = stored["kind"], stored["metadata"]["name"]
        self._queue.add("DurableLog", *concerned_logs(self.cluster, stored))
        if kind == "WorkflowRun":
            self._queue.add(kind, name)
            self._admission.observe(stored)
            self._rate_limits.observe_run(stored)
            self._tell(name)
        elif kind == "RateLimit":
            self._queue.add(kind, "")
            self._rate_limits.observe_limit(stored)
        elif run := stored["metadata"].get("labels", {}).get(labels.RUN):
            self._queue.add("WorkflowRun", run)
        elif kind in ("Workflow", "WorkflowEvent"):
            if kind == "WorkflowEvent" and "status" not in stored:
                self._queue.add(kind, name)
            runs = self.cluster.stored("WorkflowRun")
            self._queue.add("WorkflowRun", *(run for run in runs if not is_over(runs[run])))
        self._wake.set()

    def _tell(self, run: str) -> None:
        stored = self.cluster.find("WorkflowRun", run)
        if stored is None or is_over(stored) or self._failure is not None:
            for future in self._waiters.pop(run, []):
                if not future.done():
                    future.set_result(None)

    def _fail(self, error: Exception) -> None:
        """Raise an error in all who wait."""
        self._failure = error
        for run in [*self._waiters]:
            self._tell(run)

    async def _serve(self) -> None:
        try:
            while True:
                self._wake.clear()
                self._keep_appointments()
                if self._look():
                    await asyncio.sleep(0)
                else:
                    await self._pause()
        except Exception as error:
            self._fail(error)

    def _keep_appointments(self) -> None:
        now = self.clock.now()
        self._queue.advance(now)
        due = [each for each in self._agenda if each[0] <= now]
        self._agenda = [each for each in self._agenda if each[0] > now]
        for _, action in sorted(due, key=lambda each: each[0]):
            action()
        self._kubelet.look_at_clock()

    async def _pause(self) -> None:
        """Sleep until there is something to do; a fake clock jumps there if nobody is busy."""
        kubelet = self._kubelet
        appointments = (moment for moment, _ in self._agenda)
        then = first([self._queue.next_at, *appointments, *kubelet.deadlines])
        if then and self._waiting and not kubelet.is_busy and self.clock.jump_to(then):
            return
        waits = (kubelet.seconds_left, self.clock.seconds_until(then) if then else None)
        known = [max(0.0, wait) for wait in waits if wait is not None]
        stuck = self._waiting > 0 and then is None and not kubelet.is_busy and not self._warned
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
                told += [
                    f"task {page['spec']['task']} {page['status']['waiting']}"
                    for page in self.cluster.of_run("DurableLog", name).values()
                    if "waiting" in page.get("status", {})
                ]
                _logger.warning(
                    "run %s waits, and nothing is left that would happen by itself: %s",
                    name,
                    "; ".join(told) or run.get("status", {}).get("message", ""),
                )

    def _look(self) -> bool:
        """Look at one object that has changed; return False if there is none."""
        match self._queue.pop():
            case "WorkflowEvent", name:
                self._start_runs(name)
            case "DurableLog", name:
                self._end_waits(name)
            case "RateLimit", name:
                queues = self._rate_limits.of(NAMESPACE)
                again_at = grant_units(self.cluster, queues, self.clock.now())
                self._queue.add_at("RateLimit", name, again_at)
            case _, name:
                self._reconcile(name)
            case None:
                return False
        return True

    def _start_runs(self, name: str) -> None:
        event = self.cluster.find("WorkflowEvent", name)
        if event is not None:
            observed = observe_event(self.cluster, event)
            plan = plan_event(observed, self.clock.now())
            if plan.list_keys:
                keyed_runs = {key: self._keyed_runs(key) for key in plan.list_keys}
                plan = plan_event(replace(observed, keyed_runs=keyed_runs), self.clock.now())
            for manifest in plan.create:
                self.cluster.put(manifest)
            self.cluster.change("WorkflowEvent", name, status=plan.status or {})

    def _end_waits(self, page: str) -> None:
        log = self.cluster.find("DurableLog", page)
        if log is not None:
            plan = plan_durable_log(observe_log(self.cluster, log), self.clock.now())
            if plan.status is not None:
                self.cluster.change("DurableLog", page, status=plan.status)
            self._queue.add_at("DurableLog", page, plan.requeue_at)

    def _keyed_runs(self, key: RunKey) -> KeyedRuns:
        runs = [run for run in self.cluster.stored("WorkflowRun").values() if key.is_of(run)]
        return KeyedRuns(runs, self.cluster.now())

    def _reconcile(self, name: str) -> None:
        run = self.cluster.find("WorkflowRun", name)
        if run is None:
            return
        observed = observe_run(self.cluster, run, self._admission, self._rate_limits)
        plan = plan_admitted(observed, _DEFAULTS, self.clock.now())
        self._carry_out(name, plan)
        stored = self.cluster.find("WorkflowRun", name)
        if stored and not is_over(stored):
            self._queue.add_at("WorkflowRun", name, plan.requeue_at)

    def _carry_out(self, name: str, plan: Plan) -> None:
        for manifest in plan.apply:
            known = self.cluster.find(manifest["kind"], manifest["metadata"]["name"])
            if known is None:
                self.cluster.put(manifest)
            else:
                self.cluster.change(known["kind"], known["metadata"]["name"], spec=manifest["spec"])
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


def grant_units(cluster: LocalCluster, queues: UnitQueues, now: datetime) -> datetime | None:
    """Grant units to the tasks that wait, and return when to look again; None if nobody waits.

    A limit that nobody has put there has units for all.
    """
    wanted = {limit for request in queues.requests.values() for limit in request.lane}
    if not wanted:
        return None
    for name in wanted:
        if cluster.find("RateLimit", name) is None:
            cluster.put(_boundless(name).to_wire())
    while True:
        plans = {
            name: plan_rate_limit(ObservedRateLimit(limit, queues), now)
            for name, limit in cluster.stored("RateLimit").items()
        }
        changed = {name: plan.status for name, plan in plans.items() if plan.status is not None}
        if not changed:
            return first(plan.requeue_at for plan in plans.values())
        for name, status in changed.items():
            cluster.change("RateLimit", name, status=status)


def _boundless(name: str) -> RateLimit:
    spec = RateLimitSpec(key=name, limit=MAX_UNITS, duration="YEAR")
    return RateLimit(metadata=ObjectMeta(name=name), spec=spec)
