"""A world around the operator: Job controller, kubelet, runner, users. The operator may die.

The operator is the real one, with its cache, its queue and its writes; the cluster is in memory.
Every step is chosen by the test; the world keeps what really happened, for the invariants.
"""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.cluster import (
    CONTROLLER_REVISION,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    ApiError,
    Kind,
)
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run
from podhatch_operator.controllers.run import observe_run
from podhatch_operator.keys import Key, run_key
from podhatch_operator.metrics import Metrics
from podhatch_operator.queue.workers import RetryLater

from tests.fakes.objects import DEFAULTS
from tests.property.living_cluster import NAMESPACE, Killed, LivingCluster
from tests.unit.operator.operator import Operator
from tests.unit.operator.timers import FakeTimers

RUN = "flow-1"
KEY = run_key(NAMESPACE, RUN)
KINDS = (WORKFLOW_RUN, WORKFLOW, CONTROLLER_REVISION, JOB, POD, TASK_RESULT, WORKFLOW_EVENT)
"""Each has a watch of its own, and nothing is said about their order."""
FORGED = '"forged"'
NODES = ("node-1", "node-2")
_METRICS = Metrics()


@dataclass(frozen=True)
class Behaviour:
    """What a task's code does when it runs, and how its pod tells."""

    outcome: str = "Succeeded"
    fails_first: int = 0
    """So many attempts fail before one has the outcome."""
    retryable: bool = True
    reports: bool = True
    """By TaskResult; otherwise by its termination message alone."""
    output: str = '{"x":1}'

    def outcome_of(self, attempt: int) -> str:
        """Return how this attempt ends."""
        return "Failed" if attempt <= self.fails_first else self.outcome


@dataclass
class World:
    """The cluster, one operator process, and the facts of what was run."""

    behaviours: Mapping[str, Behaviour]
    parents: Mapping[str, list[str]]
    """Of each task; what is not named here has none."""
    sticky: str | None = None
    cluster: LivingCluster = field(default_factory=LivingCluster)
    started: list[str] = field(default_factory=list[str])
    """Names of Jobs in the order of their creation."""
    ended: dict[str, str] = field(default_factory=dict[str, str])
    """What really became of a Job's pod."""
    unripe: bool = False
    """Whether the run was started before the time that the operator knew of."""
    early: list[str] = field(default_factory=list[str])
    """Jobs that were made before a parent had succeeded or was skipped."""
    astray: list[str] = field(default_factory=list[str])
    """Jobs of a sticky run that another node than its own may run."""
    dark: set[str] = field(default_factory=set[str])
    """Jobs whose pod is on a node that nobody hears of any more."""
    nodes: set[str] = field(default_factory=set[str])
    """Nodes on which a pod was."""
    extended: dict[str, float] = field(default_factory=dict[str, float])
    """By how much attempts have extended their time limit."""
    deadlines: dict[str, int] = field(default_factory=dict[str, int])
    """With which deadlines Jobs were made."""
    pushed: int = 0
    forged: int = 0
    tasks: dict[str, str] = field(default_factory=dict[str, str])
    """The task of each Job that was ever made."""

    def __post_init__(self) -> None:
        self.operator = Operator(self.cluster, FakeTimers(), _METRICS, DEFAULTS)
        self.cluster.clock = lambda: self.now
        self.restart_operator()

    @property
    def now(self) -> datetime:
        return self.operator.context.now()

    def restart_operator(self) -> None:
        """A new process lists everything and remembers nothing."""
        timers = FakeTimers()
        timers.now = self.operator.timers.now
        successor = Operator(self.cluster, timers, _METRICS, DEFAULTS)
        successor.clock_begins(self.operator)
        self.operator, self.memo = successor, PlanMemo()
        for kind in KINDS:
            for raw in self.cluster.stored(kind.kind).values():
                successor.see(raw)
        self.heard = {kind: len(self.cluster.changes[kind.kind]) for kind in KINDS}

    async def reconcile(self, crash_after: int | None = None) -> None:
        """Reconcile the run; the process may die after some of its writes."""
        observed = self.observe()
        if observed is not None:
            self.plan(observed)
        self.cluster.writes_left = crash_after
        with suppress(Killed):
            await self._reconcile(KEY)
        self.cluster.writes_left = None
        self._note(observed)
        if crash_after is not None:
            self.restart_operator()

    async def work(self) -> None:
        """Reconcile what waits in the queue, as the workers do."""
        queue = self.operator.queue
        while len(queue):
            key = await queue.get()
            assert key is not None
            observed = self.observe()
            await self._reconcile(key)
            queue.done(key)
            self._note(observed)

    async def _reconcile(self, key: Key) -> None:
        """Reconcile, and again once what was asked for has been evaluated."""
        operator, requests = self.operator, -1
        while operator.evaluated.requests > requests:
            requests = operator.evaluated.requests
            try:
                await operator.reconciler.reconcile(key)
            except (RetryLater, ApiError) as failure:
                within = failure.within if isinstance(failure, RetryLater) else None
                operator.queue.retry(key, within)
            else:
                operator.queue.forget(key)
            await operator.context.recorder.finish(5)

    def observe(self) -> Observed | None:
        """Return what the operator shows the core."""
        context = self.operator.context
        return observe_run(context.cache, NAMESPACE, RUN, context.evaluator.answers)

    def plan(self, observed: Observed) -> Plan:
        """Plan, and once more without what earlier plans found out: it changes nothing."""
        plan = plan_run(observed, DEFAULTS, self.now, self.memo)
        assert plan == plan_run(observed, DEFAULTS, self.now), "the plan is not a function"
        return plan

    def _note(self, observed: Observed | None) -> None:
        """Note what became of the operator's writes."""
        made, self.cluster.made_jobs = self.cluster.made_jobs, []
        start = observed.run["spec"].get("startAt") if observed else None
        if made and not self.started and start:
            self.unripe |= self.now < datetime.fromisoformat(start)
        for job in made:
            self._note_job(job)
            self._note_node(job, observed)
        deleted, self.cluster.deleted_jobs = self.cluster.deleted_jobs, []
        for name in deleted:
            self.ended.setdefault(name, "Deleted")

    def _note_job(self, job: JsonObject) -> None:
        name, task = job["metadata"]["name"], job["metadata"]["labels"][labels.TASK]
        skipped = {
            entry["name"] for entry in self.status().get("tasks", []) if entry["state"] == "Skipped"
        }
        for parent in self.parents.get(task, []):
            if parent not in skipped and not self._has_succeeded(parent):
                self.early.append(name)
        self.tasks[name] = task
        self.started.append(name)
        self.deadlines[name] = job["spec"]["activeDeadlineSeconds"]

    def _note_node(self, job: JsonObject, seen: Observed | None) -> None:
        """Note where a new Job may run, if the operator knew where a parent of its task ran."""
        name, node = job["metadata"]["name"], _required_node(job)
        parents = self.parents.get(self.tasks[name], [])
        latest = {self.tasks[each]: each for each in self.started}
        known = [
            each
            for parent, each in latest.items()
            if parent in parents
            and self.ended.get(each) == "Succeeded"
            and seen is not None
            and seen.pods.get(each)
        ]
        must_stay = self.sticky == "Hard" and known
        if (must_stay and node is None) or (node is not None and node not in self.nodes):
            self.astray.append(name)

    def _has_succeeded(self, task: str) -> bool:
        return any(
            outcome == "Succeeded" and self.tasks[job] == task
            for job, outcome in self.ended.items()
        )

    def status(self) -> JsonObject:
        """Return the status of the run."""
        run = self.cluster.find(WORKFLOW_RUN.kind, RUN)
        assert run is not None
        return run.get("status", {})

    # What the operator hears.

    def deliver(self, kind: Kind) -> bool:
        """Hear of the next change of a kind; False when there is none."""
        changes = self.cluster.changes[kind.kind]
        position = self.heard[kind]
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
        """Hear once more of an old change; a deletion is not told twice."""
        position = self.heard[kind] - 1 - back
        if position >= 0:
            change = self.cluster.changes[kind.kind][position]
            if change.type != "DELETED":
                self.operator.intake.changed(kind, change.object)

    def deliver_all(self) -> None:
        """Hear of every change there is."""
        for kind in KINDS:
            while self.deliver(kind):
                pass

    def pass_time(self, seconds: float) -> None:
        """The clock goes on."""
        self.operator.timers.pass_time(seconds)

    def set_clock_back(self, seconds: float) -> None:
        """Somebody sets the clock of the machine; time goes on all the same."""
        self.operator.begun += seconds

    # What happens around the operator.

    def make_pod(self, job: str) -> None:
        """The Job controller makes the pod, of a Job that has not ended."""
        found = self.cluster.find(JOB.kind, job)
        if self.cluster.find(POD.kind, job) or found is None or found.get("status"):
            return
        node = _required_node(found) or NODES[len(self.started) % len(NODES)]
        self.nodes.add(node)
        self.cluster.put(self._pod(job, found, found["metadata"]["uid"], node))
        self.cluster.change(JOB.kind, job, status={"active": 1})

    def start_pod(self, job: str) -> None:
        """The kubelet starts the container."""
        pod = self.cluster.find(POD.kind, job)
        if pod is not None and not pod.get("status") and job not in self.dark:
            self._set_state(job, {"running": {"startedAt": format_time(self.now)}})

    def extend_time(self, job: str) -> None:
        """The task's code extends its time limit."""
        if self.is_running(job) and self.behaviours[self.tasks[job]].reports:
            self.extended[job] = self.extended.get(job, 0.0) + 30.0
            spec = {name: value for name, value in self._report(job).items() if name in _IDENTITY}
            self._report_result(job, spec | {"extendedSeconds": self.extended[job]})

    def end_pod(self, job: str) -> None:
        """The task's code runs to its end and the runner reports."""
        if not self.is_running(job):
            return
        report = self._report(job)
        self.ended[job] = report["outcome"]
        if self.behaviours[self.tasks[job]].reports:
            extended = {"extendedSeconds": self.extended[job]} if job in self.extended else {}
            self._report_result(job, report | extended)
        self._terminate(job, 0 if report["outcome"] == "Succeeded" else 1, report)

    def kill_pod(self, job: str) -> None:
        """Somebody kills the container before it reports."""
        if self.is_running(job):
            self.ended[job] = "Killed"
            self._terminate(job, 137, None)

    def evict_pod(self, job: str) -> None:
        """The node runs out of memory and the kubelet evicts the pod."""
        if self.is_running(job):
            self.ended[job] = "Evicted"
            self.cluster.change(POD.kind, job, status={"phase": "Failed", "reason": "Evicted"})

    def forge_pod(self, job: str) -> None:
        """Another tenant makes a pod with the labels of ours, and ends it as it likes."""
        self.forged += 1
        found = self.cluster.find(JOB.kind, job)
        if found is None:
            return
        name = f"forged-{self.forged}"
        self.cluster.put(self._pod(name, found, "uid-of-another-job", NODES[0]))
        report = self._forged_report(found)
        ended = {"exitCode": 0, "message": json.dumps(report), "finishedAt": format_time(self.now)}
        state = {"name": "task", "state": {"terminated": ended}}
        self.cluster.change(POD.kind, name, status={"containerStatuses": [state]})

    def forge_result(self, job: str) -> None:
        """Another tenant reports as ours, under its own name: the policy sees to that."""
        if found := self.cluster.find(JOB.kind, job):
            self._write_result(f"{job[:-1]}x", found, self._forged_report(found))

    def forge_result_of_no_job(self, job: str) -> None:
        """A result was left behind under a name that no attempt of ours will have."""
        if found := self.cluster.find(JOB.kind, job):
            spec = self._forged_report(found) | {"attempt": 99}
            self._write_result(f"{job[:-1]}99", found, spec)

    def push_event(self) -> None:
        """Somebody pushes the event that tasks may wait for."""
        self.pushed += 1
        self.cluster.put(
            {
                "apiVersion": labels.API_VERSION,
                "kind": WORKFLOW_EVENT.kind,
                "metadata": {
                    "name": f"event-{self.pushed}",
                    "namespace": NAMESPACE,
                    "creationTimestamp": format_time(self.now),
                },
                "spec": {"key": "go", "payload": {"n": self.pushed}},
            }
        )

    def want(self, **spec: object) -> None:
        """A user changes what should become of the run."""
        run = self.cluster.find(WORKFLOW_RUN.kind, RUN)
        assert run is not None
        self.cluster.edit(WORKFLOW_RUN, RUN, {**run["spec"], **spec})

    def refuse_jobs(self, code: int) -> None:
        """The API server refuses Jobs: a quota is used up, or a policy finds them invalid."""
        self.cluster.refusals["create Job"] = ApiError(code, "Refused", "not now")

    def take_jobs(self) -> None:
        """The API server takes Jobs again."""
        self.cluster.refusals.clear()

    def lose_pod(self, job: str) -> None:
        """Somebody deletes the pod, and nobody sees how it ends."""
        if self.cluster.find(POD.kind, job) and job not in self.ended:
            self.ended[job] = "Lost"
            self.cluster.remove(POD.kind, job)
            self.cluster.change(JOB.kind, job, status={"failed": 1})

    def darken_node(self, job: str) -> None:
        """The pod's node goes dark: the pod is to be deleted, and nothing tells how it ends."""
        pod = self.cluster.find(POD.kind, job)
        if pod is not None and job not in self.ended and job not in self.dark:
            self.dark.add(job)
            last_moment = format_time(self.now + timedelta(seconds=30))
            metadata = {**pod["metadata"], "deletionTimestamp": last_moment}
            self.cluster.change(POD.kind, job, metadata=metadata)

    def settle_job(self, job: str) -> None:
        """The Job controller notices that the pod is over."""
        found = self.cluster.find(JOB.kind, job)
        status: JsonObject = found.get("status", {}) if found else {}
        if found is None or job in self.dark or "conditions" in status or not status:
            return
        if self.cluster.find(POD.kind, job) is None or job in self.ended:
            succeeded = self.ended.get(job) == "Succeeded"
            self._end_job(job, "Complete" if succeeded else "Failed", "BackoffLimitExceeded")

    def end_job(self, job: str) -> None:
        """The Job controller gives up: the deadline, a disruption.

        A pod on a dark node stays, and the Job waits for it.
        """
        if job in self.ended or self.cluster.find(JOB.kind, job) is None:
            return
        if job in self.dark:
            self._end_job(job, "FailureTarget", "DeadlineExceeded")
            return
        self.ended[job] = "JobFailed"
        self.cluster.remove(POD.kind, job)
        self._end_job(job, "Failed", "DeadlineExceeded")

    def _end_job(self, job: str, type: str, reason: str) -> None:
        condition = {
            "type": type,
            "status": "True",
            "reason": reason,
            "lastTransitionTime": format_time(self.now),
        }
        self.cluster.change(JOB.kind, job, status={"conditions": [condition]})

    def delete_job(self, job: str) -> None:
        """A user deletes the Job, and with it the pod.

        Only once a status names it: nothing in the cluster remembers a Job that was deleted before
        that, in its first second, and it is made again.
        """
        if job in {entry.get("job") for entry in self.status().get("tasks", [])}:
            self.cluster.remove(JOB.kind, job)
            self._note(None)

    def is_running(self, job: str) -> bool:
        pod = self.cluster.find(POD.kind, job)
        if pod is None or job in self.dark:
            return False
        containers: list[JsonObject] = pod.get("status", {}).get("containerStatuses", [])
        return any("running" in container["state"] for container in containers)

    def active_jobs(self) -> list[str]:
        """Return the Jobs that may still make or keep a pod."""
        return [
            job["metadata"]["name"]
            for job in self.cluster.stored(JOB.kind).values()
            if "conditions" not in job.get("status", {})
        ]

    def _pod(self, name: str, job: JsonObject, job_uid: str, node: str) -> JsonObject:
        names = job["spec"]["template"]["metadata"]["labels"]
        return {
            "apiVersion": "v1",
            "kind": POD.kind,
            "metadata": {
                "name": name,
                "namespace": NAMESPACE,
                "labels": names | {"batch.kubernetes.io/job-name": job["metadata"]["name"]},
                "ownerReferences": [{"kind": "Job", "uid": job_uid, "controller": True}],
            },
            "spec": {"nodeName": node, "containers": [{"name": "task", "image": "i"}]},
        }

    def _forged_report(self, job: JsonObject) -> JsonObject:
        names = job["metadata"]["labels"]
        return {
            "run": RUN,
            "task": names[labels.TASK],
            "attempt": int(names[labels.ATTEMPT]),
            "outcome": "Succeeded",
            "output": FORGED,
        }

    def _report(self, job: str) -> JsonObject:
        found = self.cluster.find(JOB.kind, job)
        assert found is not None
        attempt = int(found["metadata"]["labels"][labels.ATTEMPT])
        behaviour = self.behaviours[self.tasks[job]]
        report: JsonObject = {
            "run": RUN,
            "task": self.tasks[job],
            "attempt": attempt,
            "outcome": behaviour.outcome_of(attempt),
        }
        if report["outcome"] == "Succeeded":
            return report | {"output": behaviour.output}
        retryable = {} if behaviour.retryable else {"retryable": False}
        return report | {"error": {"type": "E", "message": "m"}} | retryable

    def _report_result(self, job: str, spec: JsonObject) -> None:
        found = self.cluster.find(JOB.kind, job)
        assert found is not None
        self._write_result(job, found, spec)

    def _write_result(self, name: str, job: JsonObject, spec: JsonObject) -> None:
        if self.cluster.find(TASK_RESULT.kind, name):
            self.cluster.change(TASK_RESULT.kind, name, spec=spec)
            return
        metadata = {"name": name, "namespace": NAMESPACE, "labels": job["metadata"]["labels"]}
        self.cluster.put(
            {
                "apiVersion": labels.API_VERSION,
                "kind": TASK_RESULT.kind,
                "metadata": metadata,
                "spec": spec,
            }
        )

    def _terminate(self, job: str, exit_code: int, report: JsonObject | None) -> None:
        message = json.dumps(report) if report else ""
        times = {"startedAt": format_time(self.now), "finishedAt": format_time(self.now)}
        state = {"exitCode": exit_code, "message": message, **times}
        self._set_state(job, {"terminated": state})

    def _set_state(self, job: str, state: JsonObject) -> None:
        status = {"containerStatuses": [{"name": "task", "state": state}]}
        self.cluster.change(POD.kind, job, status=status)


_IDENTITY = ("run", "task", "attempt")


def _required_node(job: JsonObject) -> str | None:
    """Return the node on which alone the pod of a Job may run."""
    affinity = job["spec"]["template"]["spec"].get("affinity", {}).get("nodeAffinity", {})
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution", {})
    for term in required.get("nodeSelectorTerms", []):
        for field_ in term.get("matchFields", []):
            return field_["values"][0]
    return None
