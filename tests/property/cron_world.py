"""A world around plan_cron: the CronJob controller, the runs, users, and an operator that may die.

Every step is chosen by the test; the world keeps what really happened, for the invariants.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.api.run import TERMINAL_PHASES
from podhatch.core.common.observed import ObservedCron
from podhatch.core.common.plan import Create, Patch, Plan, ReplaceStatus, Write
from podhatch.core.cron.plan import plan_cron
from podhatch.core.cron.tick import is_live, is_over
from podhatch.core.cron.tick_run import SCHEDULED_AT

from tests.fakes.crons import MANAGED, NIGHTLY, cron
from tests.fakes.objects import NOW, task, workflow
from tests.property.cluster import ApiServer, ConflictError, View


class KilledError(Exception):
    """The operator ends here."""


@dataclass
class CronWorld:
    """The cluster, one operator process, and the facts of what ticked and ran."""

    policy: str
    server: ApiServer = field(default_factory=ApiServer)
    now: datetime = NOW
    view: View = field(init=False)
    ticked: list[str] = field(default_factory=list[str])
    """Names of all Jobs that the CronJob controller ever made."""
    made: Counter[str] = field(default_factory=Counter[str])
    """How often a run of a name was created."""
    replaced: set[str] = field(default_factory=set[str])
    """Jobs that were deleted while they were active."""
    forgotten: set[str] = field(default_factory=set[str])
    """Runs that a user deleted."""
    taken: set[str] = field(default_factory=set[str])
    """Names of runs that somebody else has made in the name of a tick."""
    writes_left: int = 99

    def __post_init__(self) -> None:
        self.server.create(workflow(task("a")))
        self.server.create(cron(schedule="* * * * *", concurrencyPolicy=self.policy))
        self.view = View(self.server)

    def reconcile(self, crash_after: int = 99) -> None:
        """Plan and carry out; the process may die after some of its writes."""
        observed = self.observe()
        plan = self._plan(observed)
        if plan.confirm:
            observed = replace(self.observe(), confirmed=self._confirmed(plan.confirm))
            plan = self._plan(observed)
        self.writes_left = crash_after
        try:
            for write in plan.writes:
                self._carry_out(write, observed)
            if plan.status is not None and observed.cron is not None:
                self._write("CronWorkflow", observed.cron, {"status": plan.status})
        except KilledError:
            self.restart_operator()

    def observe(self) -> ObservedCron:
        known = self.view.known
        return ObservedCron(
            cron=known["CronWorkflow"].get(NIGHTLY),
            cron_job=known["CronJob"].get(NIGHTLY),
            ticks=dict(known["Job"]),
            runs=dict(known["WorkflowRun"]),
            workflow=known["Workflow"]["flow"],
        )

    def restart_operator(self) -> None:
        """A new process lists everything and remembers nothing."""
        self.view = View(self.server)

    def _create(self, manifest: JsonObject) -> None:
        self._count_write()
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        metadata = {"creationTimestamp": format_time(self.now), **manifest["metadata"]}
        try:
            stored = self.server.create({**manifest, "metadata": metadata})
        except ConflictError:
            stored = self.server.objects[kind][name]
        else:
            self.made.update([name] if kind == "WorkflowRun" else [])
        self.view.learn(kind, stored)

    def _plan(self, observed: ObservedCron) -> Plan:
        plan = plan_cron(observed, self.now)
        assert plan == plan_cron(observed, self.now), "the plan is not a function"
        return plan

    def _confirmed(self, ticks: tuple[str, ...]) -> list[str]:
        """Ask the server about ticks, as the controller does: it learns what it is told."""
        confirmed: list[str] = []
        for name in ticks:
            seen, job = self.view.known["Job"].get(name), self.jobs().get(name)
            if seen is not None and is_live(seen):
                confirmed += [name] if job is not None and is_live(job) else []
            elif job is not None and is_live(job):
                self.view.learn("Job", job)
            elif NIGHTLY in self.server.objects["CronWorkflow"]:
                confirmed.append(name)
        return confirmed

    def _carry_out(self, write: Write, observed: ObservedCron) -> None:
        if isinstance(write, Create):
            self._create(write.manifest)
        elif isinstance(write, ReplaceStatus):
            self._write("Job", write.object, {"status": write.object["status"]})
        elif isinstance(write, Patch) and write.kind == "WorkflowRun":
            run = observed.runs[write.name]
            self._write("WorkflowRun", run, {"spec": {**run["spec"], **write.body["spec"]}})

    def _write(self, kind: str, seen: JsonObject, change: JsonObject) -> None:
        """Change an object if it still is the one that was seen."""
        self._count_write()
        name = seen["metadata"]["name"]
        stored = self.server.objects[kind].get(name)
        version = seen["metadata"]["resourceVersion"]
        if stored is not None and stored["metadata"]["resourceVersion"] == version:
            self.view.learn(kind, self.server.update(kind, name, change))

    def _count_write(self) -> None:
        if self.writes_left == 0:
            raise KilledError
        self.writes_left -= 1

    # What happens around the operator.

    def tick(self) -> None:
        """A minute is over, and the CronJob controller does what the policy says."""
        self.now += timedelta(minutes=1)
        if NIGHTLY not in self.server.objects["CronJob"]:
            return
        active = [name for name, job in self.jobs().items() if not is_over(job)]
        if active and self.policy == "Forbid":
            return
        if self.policy == "Replace":
            for name in active:
                self.delete_job(name)
        self._make_job()

    def _make_job(self) -> None:
        name = f"{NIGHTLY}-{int(self.now.timestamp()) // 60}"
        metadata = {
            "name": name,
            "namespace": "team",
            "uid": f"uid-{self.server.version}",
            "creationTimestamp": format_time(self.now),
            "labels": {labels.CRON: NIGHTLY},
            "annotations": {SCHEDULED_AT: format_time(self.now)},
        }
        self.server.create({"kind": "Job", "metadata": metadata, "spec": MANAGED, "status": {}})
        self.ticked.append(name)

    def delete_job(self, name: str) -> None:
        """Somebody deletes a tick's Job."""
        if not is_over(self.jobs()[name]):
            self.replaced.add(name)
        self.server.delete("Job", name)

    def forget_jobs(self) -> None:
        """The CronJob controller keeps no more than one Job that is over."""
        over = [name for name, job in self.jobs().items() if is_over(job)]
        for name in over[:-1]:
            self.server.delete("Job", name)

    def delete_run(self, name: str) -> None:
        """A user deletes a run, once its Job knows of it: nothing else remembers that it was."""
        job = self.jobs().get(name)
        if job is None or "startTime" in job["status"]:
            self.forgotten.add(name)
            self.server.delete("WorkflowRun", name)

    def lose_label(self, name: str) -> None:
        """Somebody takes the labels of a Job whose run is under way: to the watch, it is gone."""
        run = self.view.known["WorkflowRun"].get(name, {"status": {"phase": "Succeeded"}})
        if run.get("status", {}).get("phase") not in TERMINAL_PHASES:
            self.view.known["Job"].pop(name, None)
            self.reconcile()

    def copy_run(self, name: str) -> None:
        """A user creates a run anew from its manifest, under another name."""
        run, copy = self.runs()[name], f"copy-of-{name}"
        if copy not in self.runs():
            metadata = {"creationTimestamp": format_time(self.now), "namespace": "team"}
            manifest = {"kind": "WorkflowRun", "metadata": {**metadata, "name": copy}}
            self.server.create({**manifest, "spec": {**run["spec"], "desiredState": "Running"}})

    def take_next_name(self) -> None:
        """Another tenant makes a run as the next tick would, before it comes."""
        due = self.now + timedelta(minutes=1)
        name = f"{NIGHTLY}-{int(due.timestamp()) // 60}"
        if name not in self.runs():
            cron = {"cron": NIGHTLY, "job": name, "scheduledAt": format_time(due)}
            metadata = {"creationTimestamp": format_time(self.now), "namespace": "team"}
            spec = {"workflow": "flow", "trigger": {"cron": cron}}
            manifest = {"kind": "WorkflowRun", "metadata": {**metadata, "name": name}}
            self.server.create({**manifest, "spec": spec})
            self.taken.add(name)

    def end_run(self, name: str, phase: str) -> None:
        """The run comes to its end, as its user wished."""
        run = self.runs()[name]
        if run.get("status", {}).get("phase") not in TERMINAL_PHASES:
            wish = run["spec"].get("desiredState")
            status = {"phase": wish or phase, "finishedAt": format_time(self.now)}
            self.server.update("WorkflowRun", name, {"status": status})

    def end_cron(self) -> None:
        """The cron is deleted, and the garbage collector follows."""
        self.server.delete("CronWorkflow", NIGHTLY)
        self.server.delete("CronJob", NIGHTLY)
        for name in list(self.jobs()):
            self.delete_job(name)

    def settle(self) -> None:
        """Let everything come to its end, with news in time and nobody dying."""
        for phase in ("", "Succeeded"):
            for name in list(self.runs()) if phase else []:
                self.end_run(name, phase)
            for _ in range(4):
                self.view.deliver_all()
                self.reconcile()
                self.cancelled_runs_end()

    def cancelled_runs_end(self) -> None:
        """Runs that are to be cancelled are."""
        for name, run in list(self.runs().items()):
            if run["spec"].get("desiredState") == "Cancelled":
                self.end_run(name, "Cancelled")

    def jobs(self) -> dict[str, JsonObject]:
        return self.server.objects["Job"]

    def runs(self) -> dict[str, JsonObject]:
        return self.server.objects["WorkflowRun"]
