"""Carries out the operator's decisions without a cluster, for all runs of one `LocalCluster`.

The operator's loop in small: observe, plan, create, store the status, come back in time. Jobs
become executions, in threads or child processes. Lives in the portal's event loop.
"""

import asyncio
import contextlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Generator
from datetime import datetime
from pathlib import Path

from podhatch_operator.core.decision import Plan
from podhatch_operator.core.observed import Defaults, Observed
from podhatch_operator.core.plan import plan_run

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.pod import Report
from podhatch.client.following import ended
from podhatch.client.portal import portal
from podhatch.cluster import POD, LogLine
from podhatch.errors import RunDeleted
from podhatch.local.clock import Clock
from podhatch.local.cluster import LocalCluster
from podhatch.local.execution import Ended, Execution, Executor, current_waits
from podhatch.local.options import Mocks
from podhatch.local.pods import (
    ended_pod,
    job_end,
    no_code,
    running_pod,
    task_result,
    waiting_pod,
)
from podhatch.local.work import pod_name, work_of

_DEFAULTS = Defaults(runner_image="local")


class Engine:
    """Runs what the cluster holds.

    Attributes:
        cluster: The objects.
        clock: The time by which it decides.
    """

    def __init__(self, clock: Clock, executor: Executor, mocks: Mocks) -> None:
        self.clock = clock
        self.cluster = LocalCluster(clock, self._noticed)
        self._executor = executor
        self._mocks = mocks
        self._executions: dict[str, Execution] = {}
        self._due: dict[str, datetime] = {}
        """When to look at a run again, by its name."""
        self._agenda: list[tuple[datetime, Callable[[], object]]] = []
        self._dirty: dict[str, None] = {}
        self._waiters: defaultdict[str, list[asyncio.Future[None]]] = defaultdict(list)
        self._waiting = 0
        """How many wait for a run from outside of tasks."""
        self._stopping: list[Execution] = []
        self._failure: Exception | None = None
        self._wake = asyncio.Event()
        self._loop = portal().loop
        self._folder = tempfile.TemporaryDirectory(
            prefix="podhatch-local-", ignore_cleanup_errors=True
        )

    def start(self) -> None:
        """Begin to serve, in the portal, in the context of the caller."""
        self.clock.on_move(self.wake)
        self._serving = portal().submit(self._serve())

    async def close(self) -> None:
        """Stop what still runs, and forget it."""
        self._serving.cancel()
        executions = [*self._stopping, *self._executions.values()]
        self._executions.clear()
        await asyncio.gather(*(asyncio.to_thread(each.leave) for each in executions))
        self._folder.cleanup()

    def now(self) -> datetime:
        """Return the time of the runs."""
        return self.clock.now()

    def wake(self) -> None:
        """Look around at once; from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._wake.set)

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
                if ended(stored):
                    return stored
                future = self._loop.create_future()
                self._waiters[name].append(future)
                self._wake.set()
                await future

    @contextlib.contextmanager
    def _waited_for(self) -> Generator[None]:
        """Count the one that waits: a task of ours, or somebody who may be a task elsewhere."""
        waits = current_waits.get()
        from_outside = waits is None or waits.listener is not self
        self._waiting += from_outside
        try:
            with waits.one_more() if waits else contextlib.nullcontext():
                yield
        finally:
            self._waiting -= from_outside

    def _noticed(self, stored: JsonObject) -> None:
        """An object has changed: look at the runs that it concerns."""
        kind, name = stored["kind"], stored["metadata"]["name"]
        if kind == "WorkflowRun":
            self._dirty[name] = None
            self._tell(name)
        elif run := stored["metadata"].get("labels", {}).get(labels.RUN):
            self._dirty[run] = None
        elif kind in ("Workflow", "WorkflowEvent"):
            runs = self.cluster.stored("WorkflowRun")
            self._dirty.update(dict.fromkeys(name for name in runs if not ended(runs[name])))
        self._wake.set()

    def _tell(self, run: str) -> None:
        stored = self.cluster.find("WorkflowRun", run)
        if stored is None or ended(stored) or self._failure is not None:
            for future in self._waiters.pop(run, []):
                if not future.done():
                    future.set_result(None)

    async def _serve(self) -> None:
        try:
            while True:
                self._wake.clear()
                self._keep_appointments()
                if self._dirty:
                    run = next(iter(self._dirty))
                    del self._dirty[run]
                    self._reconcile(run)
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
        due = [each for each in self._agenda if each[0] <= now]
        self._agenda = [each for each in self._agenda if each[0] > now]
        for _, action in sorted(due, key=lambda each: each[0]):
            action()
        for execution in [*self._executions.values()]:
            execution.look_at_clock(now)

    async def _pause(self) -> None:
        """Sleep until there is something to do; a fake clock jumps there if nobody is busy."""
        executions = self._executions.values()
        deadlines = [each.deadline for each in executions if each.deadline]
        moments = [*self._due.values(), *(moment for moment, _ in self._agenda), *deadlines]
        busy = any(not each.is_waiting for each in executions)
        first = min(moments, default=None)
        if first and self._waiting and not busy and self.clock.jump_to(first):
            return
        waits = [each.seconds_left for each in executions]
        waits.append(self.clock.seconds_until(first) if first else None)
        known = [max(0.0, wait) for wait in waits if wait is not None]
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(min(known, default=None)):
                await self._wake.wait()

    def _reconcile(self, name: str) -> None:
        observed = self._observe(name)
        self._due.pop(name, None)
        if observed is None:
            return
        plan = plan_run(observed, _DEFAULTS, self.clock.now())
        self._carry_out(name, plan)
        stored = self.cluster.find("WorkflowRun", name)
        if plan.requeue_at and stored and not ended(stored):
            self._due[name] = plan.requeue_at

    def _carry_out(self, name: str, plan: Plan) -> None:
        for manifest in plan.create:
            self._create(manifest)
        for extension in plan.extend:
            spec = self.cluster.stored("Job")[extension.job]["spec"]
            spec = {**spec, "activeDeadlineSeconds": extension.seconds}
            self.cluster.change("Job", extension.job, spec=spec)
        if plan.status is not None:
            self.cluster.change("WorkflowRun", name, status=plan.status)
        for child in plan.delete:
            if child.kind != "WorkflowRun":  # it is kept as long as the engine, for who asks later
                self._delete(child.kind, child.name)

    def _observe(self, name: str) -> Observed | None:
        run = self.cluster.find("WorkflowRun", name)
        if run is None:
            return None
        jobs = self.cluster.of_run("Job", name)
        pods = self.cluster.of_run(POD.kind, name)
        return Observed(
            run,
            self.cluster.find("Workflow", run["spec"]["workflow"]),
            self.cluster.stored("ControllerRevision"),
            jobs,
            {job: [pods[pod_name(job)]] for job in jobs if pod_name(job) in pods},
            self.cluster.of_run("TaskResult", name),
            [*self.cluster.stored("WorkflowEvent").values()],
        )

    def _create(self, manifest: JsonObject) -> None:
        stored = self.cluster.put(manifest)
        name: str = stored["metadata"]["name"]
        if stored["kind"] == "Job" and self.cluster.find("Pod", pod_name(name)) is None:
            self.cluster.put(waiting_pod(stored))
            self._execute(stored)

    def _execute(self, job: JsonObject) -> None:
        name: str = job["metadata"]["name"]
        data = self.cluster.find("ConfigMap", name)
        work = work_of(job, data, Path(self._folder.name))
        if not work.has_code and work.task not in self._mocks:
            self._finish(name, no_code(work))
            return
        execution = self._executor.new(work, self)
        self._executions[name] = execution
        execution.start()

    def _delete(self, kind: str, name: str) -> None:
        self.cluster.remove(kind, name)
        if kind == "Job":
            self.cluster.remove("Pod", pod_name(name))
            if execution := self._executions.pop(name, None):
                execution.cancel()
                self._stopping.append(execution)

    # What executions tell, from their own threads.

    def began(self, job: str) -> None:
        """The attempt has got what it needs to start."""
        self._loop.call_soon_threadsafe(self._begin, job)

    def finished(self, job: str, end: Ended) -> None:
        """The execution is over."""
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            self._loop.call_soon_threadsafe(self._finish, job, end)

    def wrote(self, job: str, line: str) -> None:
        """A line was added to the attempt's log."""
        self.cluster.logs[pod_name(job)].append(LogLine(self.clock.now(), line))

    def extended(self, job: str, report: Report) -> None:
        """The attempt has given itself more time."""
        self._loop.call_soon_threadsafe(self._report, job, report)

    def _begin(self, job: str) -> None:
        pod = self.cluster.find("Pod", pod_name(job))
        if pod is not None:
            self.cluster.change("Pod", pod_name(job), status=running_pod(self.clock.now()))

    def _report(self, job: str, report: Report) -> None:
        stored = self.cluster.find("Job", job)
        if stored is None:
            return
        if self.cluster.find("TaskResult", job) is None:
            self.cluster.put(task_result(stored, report))
        else:
            self.cluster.change("TaskResult", job, spec=report)

    def _finish(self, job: str, end: Ended) -> None:
        self._executions.pop(job, None)
        stored = self.cluster.find("Job", job)
        if stored is not None:
            now = self.clock.now()
            if end.report is not None:
                self._report(job, end.report)
            self.cluster.change("Pod", pod_name(job), status=ended_pod(end, now))
            self.cluster.change("Job", job, status=job_end(end, now))
        self._wake.set()
