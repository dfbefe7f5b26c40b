"""A world around a cron: the CronJob controller, the runs, users. The operator may die.

Every step is chosen by the test; the world keeps what really happened, for the invariants. The runs
of ticks are not operated: the test says what becomes of them.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import ClassVar

from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.api.run import TERMINAL_PHASES
from podhatch.cluster import CRON_JOB, CRON_WORKFLOW, JOB, WORKFLOW, WORKFLOW_RUN, Kind
from podhatch.core.cron.plan import plan_cron
from podhatch.core.cron.tick_run import SCHEDULED_AT
from podhatch.core.pod.pods import has_job_ended
from podhatch_operator.controllers.cron import CronController
from podhatch_operator.keys import Key, run_key

from tests.fakes.crons import NIGHTLY, cron
from tests.fakes.objects import DEFAULTS, task, workflow
from tests.property.living_cluster import NAMESPACE
from tests.property.operated_world import OperatedWorld


@dataclass
class CronWorld(OperatedWorld):
    """The cluster, one operator process, and the facts of what ticked and ran."""

    key: ClassVar[Key] = Key("CronWorkflow", NAMESPACE, NIGHTLY)
    kinds: ClassVar[tuple[Kind, ...]] = (JOB, WORKFLOW_RUN, CRON_WORKFLOW, CRON_JOB, WORKFLOW)
    policy: str
    ticked: list[str] = field(default_factory=list[str])
    """Names of all Jobs that the CronJob controller ever made."""
    replaced: set[str] = field(default_factory=set[str])
    """Jobs that were deleted while they were active."""
    forgotten: set[str] = field(default_factory=set[str])
    """Runs that a user deleted."""
    taken: set[str] = field(default_factory=set[str])
    """Names of runs that somebody else has made in the name of a tick."""

    def __post_init__(self) -> None:
        self.cluster.put(workflow(task("a")))
        self.cluster.put(cron(schedule="* * * * *", concurrencyPolicy=self.policy))
        super().__post_init__()

    async def reconcile(self, crash_after: int | None = None) -> None:
        """Reconcile the cron, whose plan depends on nothing but what is observed."""
        observed = CronController.observe(self.operator.cache, NAMESPACE, NIGHTLY)
        plan = plan_cron(observed, self.now)
        assert plan == plan_cron(observed, self.now), "the plan is not a function"
        await super().reconcile(crash_after)

    async def _reconcile(self, key: Key) -> None:
        if key.kind == CRON_WORKFLOW.kind:
            await super()._reconcile(key)

    @property
    def made(self) -> Counter[str]:
        """How often the operator created a run of a name."""
        runs = [each for each in self.cluster.created if each["kind"] == WORKFLOW_RUN.kind]
        return Counter(each["metadata"]["name"] for each in runs)

    async def clean_up(self, name: str) -> None:
        """Reconcile a run, in no order with its cron; nothing happens while it is under way."""
        await self._reconcile(run_key(NAMESPACE, name))

    # What happens around the operator.

    def tick(self) -> None:
        """A minute is over, and the CronJob controller does what the policy says."""
        self.pass_time(60)
        cron_job = self.cluster.find(CRON_JOB.kind, NIGHTLY)
        if cron_job is None:
            return
        active = [name for name, job in self.jobs().items() if not has_job_ended(job)]
        if active and self.policy == "Forbid":
            return
        if self.policy == "Replace":
            for name in active:
                self.delete_job(name)
        self._make_job(cron_job)

    def _make_job(self, cron_job: JsonObject) -> None:
        name = f"{NIGHTLY}-{int(self.now.timestamp()) // 60}"
        template = cron_job["spec"]["jobTemplate"]
        metadata = {
            "name": name,
            "labels": template["metadata"]["labels"],
            "annotations": {SCHEDULED_AT: format_time(self.now)},
        }
        manifest = {"apiVersion": JOB.api_version, "kind": JOB.kind, "metadata": metadata}
        self.cluster.put({**manifest, "spec": template["spec"], "status": {}})
        self.ticked.append(name)

    def delete_job(self, name: str) -> None:
        """Somebody deletes a tick's Job."""
        if not has_job_ended(self.jobs()[name]):
            self.replaced.add(name)
        self.cluster.remove(JOB.kind, name)

    def forget_jobs(self) -> None:
        """The CronJob controller keeps no more than one Job that is over."""
        over = [name for name, job in self.jobs().items() if has_job_ended(job)]
        for name in over[:-1]:
            self.cluster.remove(JOB.kind, name)

    def delete_run(self, name: str) -> None:
        """A user deletes a run, once its Job knows of it: nothing else remembers that it was."""
        job = self.jobs().get(name)
        if job is None or "startTime" in job["status"]:
            self.forgotten.add(name)
            self.cluster.remove(WORKFLOW_RUN.kind, name)

    async def lose_label(self, name: str) -> None:
        """Somebody takes the labels of a Job whose run is under way: to the watch, it is gone."""
        run = self.operator.cache.get(WORKFLOW_RUN, (NAMESPACE, name))
        if run is not None and not _has_ended(run):
            metadata: JsonObject = {**self.jobs()[name]["metadata"], "labels": {}}
            self.cluster.change(JOB.kind, name, metadata=metadata)
            while self.deliver(JOB):
                pass
            await self.reconcile()

    def copy_run(self, name: str) -> None:
        """A user creates a run anew from its manifest, under another name."""
        spec = {**self.runs()[name]["spec"], "desiredState": "Running"}
        self._put_run(f"copy-of-{name}", spec)

    def take_next_name(self) -> None:
        """Another tenant makes a run as the next tick would, before it comes."""
        due = self.now + timedelta(minutes=1)
        name = f"{NIGHTLY}-{int(due.timestamp()) // 60}"
        if name not in self.runs():
            tick = {"cron": NIGHTLY, "job": name, "scheduledAt": format_time(due)}
            self._put_run(name, {"workflow": "flow", "trigger": {"cron": tick}})
            self.taken.add(name)

    def _put_run(self, name: str, spec: JsonObject) -> None:
        names = {"apiVersion": labels.API_VERSION, "kind": WORKFLOW_RUN.kind}
        self.cluster.put({**names, "metadata": {"name": name}, "spec": spec})

    def end_run(self, name: str, phase: str) -> None:
        """The run comes to its end, as its user wished."""
        run = self.runs()[name]
        if not _has_ended(run):
            cancelled = run["spec"].get("desiredState") == "Cancelled"
            status = {
                "phase": "Cancelled" if cancelled else phase,
                "finishedAt": format_time(self.now),
            }
            self.cluster.change(WORKFLOW_RUN.kind, name, status=status)

    def end_cron(self) -> None:
        """The cron is deleted, and the garbage collector follows."""
        self.cluster.remove(CRON_WORKFLOW.kind, NIGHTLY)
        self.cluster.remove(CRON_JOB.kind, NIGHTLY)
        for name in list(self.jobs()):
            self.delete_job(name)

    async def settle(self) -> None:
        """Let everything come to its end, by what the queue holds, with nobody dying."""
        await self.rest()
        for name in list(self.runs()):
            self.end_run(name, "Succeeded")
        await self.rest()

    async def rest(self) -> None:
        """Hear of everything, and let the operator do what there is to do."""
        self.accept_all()
        await self.resync()
        for _ in range(4):
            self.deliver_all()
            await self.work()
            self.pass_time(30)
            self.cancelled_runs_end()

    def cancelled_runs_end(self) -> None:
        """Runs that are to be cancelled are."""
        for name, run in list(self.runs().items()):
            if run["spec"].get("desiredState") == "Cancelled":
                self.end_run(name, "Cancelled")

    def jobs(self) -> dict[str, JsonObject]:
        return self.cluster.stored(JOB.kind)

    def runs(self) -> dict[str, JsonObject]:
        return self.cluster.stored(WORKFLOW_RUN.kind)


class ShortLivedRuns(CronWorld):
    """A world in which runs are deleted as soon as they have ended."""

    defaults = replace(DEFAULTS, run_ttl_seconds=0)

    async def _reconcile(self, key: Key) -> None:
        run = self.operator.cache.get(WORKFLOW_RUN, (key.namespace, key.name))
        if key.kind == WORKFLOW_RUN.kind and run is not None and _has_ended(run):
            await OperatedWorld._reconcile(self, key)
        else:
            await super()._reconcile(key)


def _has_ended(run: JsonObject) -> bool:
    return run.get("status", {}).get("phase") in TERMINAL_PHASES
