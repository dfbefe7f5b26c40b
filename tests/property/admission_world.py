"""Many runs with limits around an operator, and what really ran, for the invariants.

Two workflows have one durable task each, and the limits are those of the workflows or of the tasks.
A run is active from its Job on, until it is over, or parked; where the task is limited, until its
attempt has ended. At no moment are more runs of a group active than it has slots, and no Job is
made before the stored status holds the slots for it.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import ClassVar

from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.api.names import durable_log_name, job_name
from podhatch.api.run import TERMINAL_PHASES
from podhatch.cluster import (
    CONTROLLER_REVISION,
    DURABLE_LOG,
    JOB,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_RUN,
    Kind,
    WatchEvent,
)
from podhatch.core.durable.progress import waits_over
from podhatch_operator.cache.store import version_of
from podhatch_operator.keys import Key

from tests.fakes.durable import awaits, wait
from tests.fakes.objects import task, workflow
from tests.property.living_cluster import NAMESPACE
from tests.property.operated_world import OperatedWorld

WORKFLOWS = ("flow", "stream")
TENANTS, REGIONS = ("acme", "zenith"), ("north", "south")
PRIORITIES = (1, 1, 3)
DAYS = 86_400
Group = tuple[str, str, str]
"""Workflow, or nothing where they share the limit; and what its key is made of."""


@dataclass(frozen=True)
class Case:
    """The slots of each tenant and each region; 0 leaves the limit out."""

    per_tenant: int
    per_region: int
    of_task: bool
    """Whether the limits are those of the tasks, and not of the workflows."""
    is_shared: bool = False
    """Whether both workflows name the same limits."""
    strategy: str = "GROUP_ROUND_ROBIN"

    @property
    def slots(self) -> dict[str, int]:
        """Return the size of each limit."""
        sizes = {"tenant": self.per_tenant, "region": self.per_region}
        return {name: size for name, size in sizes.items() if size}

    @property
    def limits(self) -> list[JsonObject]:
        return [
            {
                "expression": f"input.{name}",
                "maxRuns": size,
                "limitStrategy": self.strategy,
                **({"name": name} if self.is_shared else {}),
            }
            for name, size in self.slots.items()
        ]

    def workflow(self, name: str) -> JsonObject:
        limits = {"concurrency": self.limits}
        work = task(
            "work",
            retries=1,
            backoffFactor=2,
            scheduleTimeoutSeconds=30 * DAYS,
            durable={},
            clusterAccess="spawn",
            **(limits if self.of_task else {}),
        )
        manifest = workflow(work, **({} if self.of_task else limits))
        return {**manifest, "metadata": {"name": name}}


@dataclass
class AdmissionWorld(OperatedWorld):
    """The cluster, one operator process, and the runs in the order of their creation."""

    kinds: ClassVar[tuple[Kind, ...]] = (
        WORKFLOW_RUN,
        WORKFLOW,
        CONTROLLER_REVISION,
        JOB,
        TASK_RESULT,
        DURABLE_LOG,
    )
    case: Case
    specs: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """Of all runs that ever were."""
    active: dict[str, str] = field(default_factory=dict[str, str])
    """The Jobs of runs that take slots."""
    parked: set[str] = field(default_factory=set[str])
    """Runs whose pod has given up, and that nobody has woken."""
    given_up: set[str] = field(default_factory=set[str])
    """The Jobs of pods that have given up."""
    started: list[str] = field(default_factory=list[str])
    """The run of each Job, in the order of their creation."""
    reconciled: set[str] = field(default_factory=set[str])
    """Runs, since somebody emptied this."""
    made: set[str] = field(default_factory=set[str])
    """Names of all Jobs."""
    late: set[str] = field(default_factory=set[str])
    """Jobs that an operator made at its end, and that arrived later."""
    checked: dict[str, int] = field(default_factory=lambda: {WORKFLOW_RUN.kind: 0, JOB.kind: 0})
    """So many changes of a kind have been looked at."""
    statuses: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """Of the runs that there are, as far as the changes have been looked at."""

    most: dict[str, int] = field(default_factory=dict[str, int])
    """The most slots that each limit ever had."""

    def __post_init__(self) -> None:
        for name in WORKFLOWS:
            self.cluster.put(self.case.workflow(name))
        self.most = dict(self.case.slots)
        super().__post_init__()

    async def _reconcile(self, key: Key) -> None:
        if key.kind == WORKFLOW_RUN.kind:
            self.reconciled.add(key.name)
        await super()._reconcile(key)

    async def last_write_arrives(self) -> None:
        """A Job that arrives late may be one that nobody wants any more."""
        self.check()
        before = set(self.cluster.stored(JOB.kind))
        await super().last_write_arrives()
        self.late |= set(self.cluster.stored(JOB.kind)) - before

    # What users do.

    def create(self, number: int) -> str:
        """Somebody creates a run; the number says which."""
        name = f"run-{len(self.specs):02}"
        spec = {
            "workflow": WORKFLOWS[number // 4 % 2],
            "input": {"tenant": TENANTS[number % 2], "region": REGIONS[number // 2 % 2]},
            "priority": PRIORITIES[number % 3],
        }
        self.specs[name] = spec
        sequence = {labels.SEQUENCE: str(len(self.specs))}  # as the SDK does
        self._put(WORKFLOW_RUN, {"name": name, "annotations": sequence}, spec)
        return name

    def resize(self, number: int) -> None:
        """Somebody gives the limits other sizes; the number says which."""
        tenant, region = 1 + number % 3, 1 + number // 3 % 3
        self.case = replace(
            self.case,
            per_tenant=self.case.per_tenant and tenant,
            per_region=self.case.per_region and region,
        )
        self.most = {name: max(size, self.most[name]) for name, size in self.case.slots.items()}
        for name in WORKFLOWS:
            self.cluster.edit(WORKFLOW, name, self.case.workflow(name)["spec"])

    def cancel(self, run: str) -> None:
        self._want(run, desiredState="Cancelled")

    def replay(self, run: str) -> None:
        """Somebody replays a run that is over."""
        if self.is_over(run):
            self.parked.discard(run)
            count = self._spec(run).get("replay", {"count": 0})["count"] + 1
            self._want(run, desiredState="Running", replay={"count": count})

    def annotate(self, run: str) -> None:
        """Somebody changes something of a run that nothing follows from."""
        self._want(run)

    def delete(self, run: str) -> None:
        """Somebody deletes a run, and the garbage collector what belongs to it."""
        self.cluster.remove(WORKFLOW_RUN.kind, run)
        for kind in (JOB, TASK_RESULT, DURABLE_LOG):
            for name, raw in self.cluster.stored(kind.kind).items():
                if raw["metadata"]["labels"][labels.RUN] == run:
                    self.cluster.remove(kind.kind, name)

    # What pods do.

    def end(self, run: str) -> None:
        """The task of a run succeeds, if it runs."""
        self._report(run, {"outcome": "Succeeded", "output": "1"})

    def fail(self, run: str) -> None:
        """The task of a run fails, if it runs; it is tried once more."""
        error = {"type": "E", "message": "m"}
        self._report(run, {"outcome": "Failed", "error": error})

    def park(self, run: str) -> None:
        """The task of a run waits, and its pod gives up, if it runs."""
        job = self.active.get(run, "")
        if self._report(run, {"outcome": "Evicted", "waitsOver": waits_over(self._logs(run))}):
            self._append_wait(run)
            self.parked.add(run)
            self.given_up.add(job)

    def wake(self, run: str) -> None:
        """What a parked run waits for happens."""
        if run in self.parked:
            self.parked.discard(run)
            [log] = self._logs(run)
            moment = format_time(self.now)
            waits = [
                {"node": call["node"], "branch": 1, "overAt": moment}
                for call in log["spec"]["calls"]
            ]
            status = {**log.get("status", {}), "waits": waits}
            self.cluster.change(DURABLE_LOG.kind, log["metadata"]["name"], status=status)

    def _logs(self, run: str) -> list[JsonObject]:
        found = self.cluster.find(DURABLE_LOG.kind, self._log_name(run))
        return [found] if found else []

    def _log_name(self, run: str) -> str:
        found = self.cluster.find(WORKFLOW_RUN.kind, run)
        assert found is not None
        uid: str = found["metadata"]["uid"]
        return f"{durable_log_name(job_name(run, uid, 'work', 1))}-0"

    def _append_wait(self, run: str) -> None:
        """The pod notes that it waits."""
        logs = self._logs(run)
        calls = [call for log in logs for call in log["spec"]["calls"]]
        call = {**wait(len(calls) + 1, awaits()), "at": format_time(self.now)}
        if logs:
            spec = {**logs[0]["spec"], "calls": [*calls, call]}
            self.cluster.edit(DURABLE_LOG, self._log_name(run), spec)
            return
        found = self.cluster.find(WORKFLOW_RUN.kind, run)
        assert found is not None
        owner = {"kind": WORKFLOW_RUN.kind, "name": run, "uid": found["metadata"]["uid"]}
        metadata = {
            "name": self._log_name(run),
            "labels": {labels.RUN: run, labels.TASK: "work"},
            "ownerReferences": [{"apiVersion": labels.API_VERSION, **owner}],
        }
        spec = {"run": run, "task": "work", "page": 0, "invocation": 1, "calls": [call]}
        self._put(DURABLE_LOG, metadata, spec)

    def _report(self, run: str, report: JsonObject) -> bool:
        """Report the end of a run's attempt, unless it has none or has been reported."""
        self.check()
        job = self.cluster.find(JOB.kind, self.active.get(run, ""))
        if job is None or self.cluster.find(TASK_RESULT.kind, job["metadata"]["name"]):
            return False
        names = job["metadata"]["labels"]
        identity = {"run": run, "task": "work", "attempt": int(names[labels.ATTEMPT])}
        metadata = {"name": job["metadata"]["name"], "labels": names}
        self._put(TASK_RESULT, metadata, {**identity, **report})
        if self.case.of_task:
            del self.active[run]
        return True

    # What is so.

    @property
    def runs(self) -> list[str]:
        """Those that there are, in the order of their creation."""
        return [run for run in self.specs if self.cluster.find(WORKFLOW_RUN.kind, run)]

    def groups(self, run: str) -> list[Group]:
        """Return the groups of a run, in the order of their limits."""
        spec = self.specs[run]
        owner = "" if self.case.is_shared else spec["workflow"]
        return [(owner, name, spec["input"][name]) for name in self.case.slots]

    def in_group(self, group: Group) -> list[str]:
        """Return the runs of a group that there are."""
        return [run for run in self.runs if group in self.groups(run)]

    def all_groups(self) -> list[Group]:
        return sorted({group for run in self.specs for group in self.groups(run)})

    def full(self) -> Iterator[Group]:
        """Yield the groups in which as many runs are active as there are slots."""
        for group in self.all_groups():
            if sum(run in self.active for run in self.in_group(group)) >= self.size(group):
                yield group

    def size(self, group: Group) -> int:
        """Return the slots of a group, as its newest run has them that holds or wants one."""
        _, name, _ = group
        place = [*self.case.slots].index(name)
        for run in reversed(self.in_group(group)):
            claims: list[JsonObject] = self.status(run).get("concurrency", [])
            if claims and not claims[place].get("parked"):
                return claims[place]["maxRuns"]
        return self.case.slots[name]

    def status(self, run: str) -> JsonObject:
        """Return the status of a run."""
        found = self.cluster.find(WORKFLOW_RUN.kind, run)
        assert found is not None
        return found.get("status", {})

    def kept_from(self, run: str) -> set[str]:
        """Return for whom slots are kept that a run would have, and who else has such slots."""
        place, task = (NAMESPACE, run), "work" if self.case.of_task else ""
        standing = self.operator.cache.admission.standing(place, task)
        if standing is None or standing.is_admitted:
            return set()
        return {name.partition("/")[0] for name in standing.taken_by}

    def is_over(self, run: str) -> bool:
        """Whether the run has ended, and no replay is due."""
        status, replay = self.status(run), self._spec(run).get("replay", {"count": 0})
        is_due = replay["count"] > status.get("replays", 0)
        return status.get("phase") in TERMINAL_PHASES and not is_due

    def waiting(self) -> list[str]:
        """Return the runs that are not active, parked or over, in the order of creation."""
        resting = self.active.keys() | self.parked
        return [run for run in self.runs if run not in resting and not self.is_over(run)]

    def cancelled(self) -> set[str]:
        return {run for run in self.runs if self.status(run).get("phase") == "Cancelled"}

    # What must hold.

    def check(self) -> None:
        """Look at all that was written since the last time, in order."""
        for change in self._news():
            raw = change.object
            if raw["kind"] == WORKFLOW_RUN.kind:
                self._note_run(change)
            elif change.type == "ADDED":
                self._check_job(raw)

    def _news(self) -> list[WatchEvent]:
        found: list[WatchEvent] = []
        for kind, known in self.checked.items():
            changes = self.cluster.changes[kind]
            found += changes[known:]
            self.checked[kind] = len(changes)
        return sorted(found, key=lambda change: version_of(change.object))

    def _note_run(self, change: WatchEvent) -> None:
        run = change.object["metadata"]["name"]
        status: JsonObject = change.object.get("status", {})
        self.statuses[run] = status
        if change.type == "DELETED":
            del self.statuses[run]
        if change.type == "DELETED" or status.get("phase") in TERMINAL_PHASES:
            self.active.pop(run, None)
        if any(claim.get("parked") for claim in status.get("concurrency", [])):
            job = self.active.pop(run, None)
            assert job is None or job in self.given_up, f"{run} has a pod and gave its slots up"

    def _check_job(self, job: JsonObject) -> None:
        name, run = job["metadata"]["name"], job["metadata"]["labels"][labels.RUN]
        assert name not in self.made, "an attempt was made twice"
        self.made.add(name)
        self.started.append(run)
        if run not in self.statuses:
            return  # it was deleted: the garbage collector deletes the Job
        claims: list[JsonObject] = self.statuses[run].get("concurrency", [])
        is_held = bool(claims) and all(claim.get("held") for claim in claims)
        if name in self.late and not is_held:
            return
        assert is_held, "a Job was made before the status held its slots"
        self.active[run] = name
        for group in self.groups(run):
            taken = [each for each in self.in_group(group) if each in self.active]
            assert len(taken) <= self.most[group[1]], f"{taken} share the slots of {group}"

    async def settle(self) -> None:
        """Let everything happen that happens by itself."""
        for _ in range(4):
            self.pass_time(6)
            self.deliver_all()
            await self.work()
        self.check()

    def _want(self, run: str, **changes: object) -> None:
        self.cluster.edit(WORKFLOW_RUN, run, {**self._spec(run), **changes})

    def _spec(self, run: str) -> JsonObject:
        found = self.cluster.find(WORKFLOW_RUN.kind, run)
        assert found is not None
        return found["spec"]

    def _put(self, kind: Kind, metadata: JsonObject, spec: JsonObject) -> None:
        manifest = {"apiVersion": labels.API_VERSION, "kind": kind.kind, "metadata": metadata}
        self.cluster.put({**manifest, "spec": spec})
