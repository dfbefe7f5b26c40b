"""A world around plan_run: Job controller, kubelet, runner, users, and an operator that may die.

Every step is chosen by the test; the world keeps what really happened, for the invariants.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run

from tests.fakes.answers import answered
from tests.fakes.objects import DEFAULTS, NOW
from tests.property.cluster import ApiServer, ConflictError, View

RUN = "flow-1"
FORGED = '"forged"'


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
    server: ApiServer = field(default_factory=ApiServer)
    now: datetime = NOW
    view: View = field(init=False)
    started: list[str] = field(default_factory=list[str])
    """Names of Jobs in the order of their creation."""
    ended: dict[str, str] = field(default_factory=dict[str, str])
    """What really became of a Job's pod."""
    statuses: list[JsonObject] = field(default_factory=list[JsonObject])
    parents: Mapping[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Of each task; what is not named here has none."""
    unripe: bool = False
    """Whether the run was started before the time that the operator knew of."""
    early: list[str] = field(default_factory=list[str])
    """Jobs that were made before a parent had succeeded or was skipped."""
    dark: set[str] = field(default_factory=set[str])
    """Jobs whose pod is on a node that nobody hears of any more."""
    pushed: int = 0
    forged: int = 0
    tasks: dict[str, str] = field(default_factory=dict[str, str])
    memo: PlanMemo = field(default_factory=PlanMemo)
    """The task of each Job that was ever made."""

    def __post_init__(self) -> None:
        self.restart_operator()

    def restart_operator(self) -> None:
        """A new process lists everything and remembers nothing."""
        self.view = View(self.server)

    def reconcile(self, crash_after: int = 99) -> Plan:
        """Plan and carry out; the process may die after some of its writes."""
        observed = self.observe()
        plan = self.plan(observed)
        assert plan == self.plan(observed), "the plan is not a function"
        start = observed.run["spec"].get("startAt")
        if plan.create and not self.started and start:
            self.unripe |= self.now < datetime.fromisoformat(start)
        writes = 0
        skipped = _skipped(plan.status or observed.run.get("status"))
        for manifest in plan.create:
            if writes >= crash_after:
                self.restart_operator()
                return plan
            self._create(manifest, skipped)
            writes += 1
        for child in plan.delete:
            self._delete(child.kind, child.name)
        if writes >= crash_after:
            self.restart_operator()
        elif plan.status is not None:
            self._write_status(observed.run, plan.status)
        return plan

    def plan(self, observed: Observed) -> Plan:
        """Plan, with what the plan asks of expressions and schemas. A memo changes nothing."""

        def planned(memo: PlanMemo | None) -> Plan:
            return answered(
                lambda known: plan_run(replace(observed, answers=known), DEFAULTS, self.now, memo)
            )

        plan = planned(self.memo)
        assert plan == planned(None)
        return plan

    def observe(self) -> Observed:
        """Return what the operator would show the core."""
        known = self.view.known
        pods: dict[str, list[JsonObject]] = {}
        for item in known["Pod"].values():
            pods.setdefault(item["metadata"]["labels"]["batch.kubernetes.io/job-name"], []).append(
                item
            )
        return Observed(
            known["WorkflowRun"][RUN],
            known["Workflow"].get("flow"),
            known["ControllerRevision"],
            known["Job"],
            pods,
            known["TaskResult"],
            tuple(known["WorkflowEvent"].values()),
        )

    def _create(self, manifest: JsonObject, skipped: set[str]) -> None:
        kind = manifest["kind"]
        try:
            stamps = {
                "creationTimestamp": format_time(self.now),
                "uid": f"uid-{self.server.version}",
            }
            metadata = {**manifest["metadata"], **stamps}
            stored = self.server.create({**manifest, "metadata": metadata})
        except ConflictError:
            return
        self.view.learn(kind, stored)
        if kind == "Job":
            job: str = stored["metadata"]["name"]
            for parent in self.parents.get(self._task_of(job), []):
                if parent not in skipped and not self._has_succeeded(parent):
                    self.early.append(job)
            self.tasks[job] = self._task_of(job)
            self.started.append(job)

    def _delete(self, kind: str, name: str) -> None:
        """Delete an object, and with a Job its pod."""
        self.server.delete(kind, name)
        if kind == "Job":
            self.ended.setdefault(name, "Deleted")
            self.server.delete("Pod", name)

    def _has_succeeded(self, task: str) -> bool:
        return any(
            outcome == "Succeeded" and self.tasks[job] == task
            for job, outcome in self.ended.items()
        )

    def _write_status(self, run: JsonObject, status: JsonObject) -> None:
        try:
            stored = self.server.replace_status(RUN, run["metadata"]["resourceVersion"], status)
        except ConflictError:
            return
        self.view.learn("WorkflowRun", stored)
        self.statuses.append(status)

    # What happens around the operator.

    def make_pod(self, job: str) -> None:
        """The Job controller makes the pod, of a Job that has not ended."""
        found = self.server.objects["Job"].get(job)
        if job in self.server.objects["Pod"] or found is None or found.get("status"):
            return
        self.server.create(self._pod(job, job, found["metadata"]["uid"]))
        self.server.update("Job", job, {"status": {"active": 1}})

    def start_pod(self, job: str) -> None:
        """The kubelet starts the container."""
        pod = self.server.objects["Pod"].get(job)
        if pod is not None and not pod["status"] and job not in self.dark:
            self._set_state(job, {"running": {"startedAt": format_time(self.now)}})

    def end_pod(self, job: str) -> None:
        """The task's code runs to its end and the runner reports."""
        if not self.is_running(job):
            return
        behaviour = self.behaviours[self._task_of(job)]
        outcome = behaviour.outcome_of(self._attempt_of(job))
        self.ended[job] = outcome
        if behaviour.reports:
            self.server.create(
                {
                    "kind": "TaskResult",
                    "metadata": {"name": job},
                    "spec": self._report(job, behaviour),
                }
            )
        self._terminate(job, 0 if outcome == "Succeeded" else 1)

    def kill_pod(self, job: str) -> None:
        """Somebody kills the container before it reports."""
        if self.is_running(job):
            self.ended[job] = "Killed"
            self._terminate(job, 137, killed=True)

    def evict_pod(self, job: str) -> None:
        """The node runs out of memory and the kubelet evicts the pod."""
        if self.is_running(job):
            self.ended[job] = "Evicted"
            self.server.update("Pod", job, {"status": {"phase": "Failed", "reason": "Evicted"}})

    def forge_pod(self, job: str) -> None:
        """Another tenant makes a pod with the labels of ours, and ends it as it likes."""
        self.forged += 1
        found = self.server.objects["Job"].get(job)
        if found is None:
            return
        forged = self._pod(f"forged-{self.forged}", job, "uid-of-another-job")
        report = self._forged_report(found)
        ended = {"exitCode": 0, "message": json.dumps(report), "finishedAt": format_time(self.now)}
        state = {"name": "task", "state": {"terminated": ended}}
        self.server.create({**forged, "status": {"containerStatuses": [state]}})

    def forge_result(self, job: str) -> None:
        """Another tenant reports as ours, under its own name: the policy sees to that."""
        found = self.server.objects["Job"].get(job)
        if found is None:
            return
        name, spec = f"{job[:-1]}x", self._forged_report(found)
        metadata = {"name": name, "labels": found["metadata"]["labels"]}
        if name in self.server.objects["TaskResult"]:
            self.server.update("TaskResult", name, {"spec": spec})
        else:
            self.server.create({"kind": "TaskResult", "metadata": metadata, "spec": spec})

    def forge_result_of_no_job(self, job: str) -> None:
        """A result was left behind under a name that no attempt of ours will have."""
        found = self.server.objects["Job"].get(job)
        name = f"{job[:-1]}99"
        if found is not None and name not in self.server.objects["TaskResult"]:
            spec = self._forged_report(found) | {"attempt": 99}
            self.server.create({"kind": "TaskResult", "metadata": {"name": name}, "spec": spec})

    def push_event(self) -> None:
        """Somebody pushes the event that tasks may wait for."""
        self.pushed += 1
        self.server.create(
            {
                "kind": "WorkflowEvent",
                "metadata": {
                    "name": f"event-{self.pushed}",
                    "creationTimestamp": format_time(self.now),
                },
                "spec": {"key": "go", "payload": {"n": self.pushed}},
            }
        )

    def want(self, **spec: object) -> None:
        """A user changes what should become of the run."""
        run = self.server.objects["WorkflowRun"][RUN]
        self.server.update("WorkflowRun", RUN, {"spec": {**run["spec"], **spec}})

    def lose_pod(self, job: str) -> None:
        """Somebody deletes the pod, and nobody sees how it ends."""
        if job in self.server.objects["Pod"] and job not in self.ended:
            self.ended[job] = "Lost"
            self.server.delete("Pod", job)
            self.server.update("Job", job, {"status": {"failed": 1}})

    def darken_node(self, job: str) -> None:
        """The pod's node goes dark: the pod is to be deleted, and nothing tells how it ends."""
        pod = self.server.objects["Pod"].get(job)
        if pod is not None and job not in self.ended and job not in self.dark:
            self.dark.add(job)
            last_moment = format_time(self.now + timedelta(seconds=30))
            metadata = {**pod["metadata"], "deletionTimestamp": last_moment}
            self.server.update("Pod", job, {"metadata": metadata})

    def settle_job(self, job: str) -> None:
        """The Job controller notices that the pod is over."""
        found = self.server.objects["Job"].get(job)
        status: JsonObject = found.get("status", {}) if found else {}
        if found is None or job in self.dark or "conditions" in status or not status:
            return
        if job not in self.server.objects["Pod"] or job in self.ended:
            succeeded = self.ended.get(job) == "Succeeded"
            self._end_job(job, "Complete" if succeeded else "Failed", "BackoffLimitExceeded")

    def end_job(self, job: str) -> None:
        """The Job controller gives up: the deadline, a disruption.

        A pod on a dark node stays, and the Job waits for it.
        """
        if job in self.ended or job not in self.server.objects["Job"]:
            return
        if job in self.dark:
            self._end_job(job, "FailureTarget", "DeadlineExceeded")
            return
        self.ended[job] = "JobFailed"
        self.server.delete("Pod", job)
        self._end_job(job, "Failed", "DeadlineExceeded")

    def _end_job(self, job: str, type: str, reason: str) -> None:
        condition = {
            "type": type,
            "status": "True",
            "reason": reason,
            "lastTransitionTime": format_time(self.now),
        }
        self.server.update("Job", job, {"status": {"conditions": [condition]}})

    def delete_job(self, job: str) -> None:
        """A user deletes the Job, and with it the pod.

        Only once a status names it: nothing in the cluster remembers a Job that was deleted before
        that, in its first second, and it is made again.
        """
        status = self.server.objects["WorkflowRun"][RUN].get("status", {})
        known = {entry.get("job") for entry in status.get("tasks", [])}
        if job in known and job in self.server.objects["Job"]:
            self._delete("Job", job)

    def pass_time(self, seconds: float) -> None:
        """The clock goes on."""
        self.now += timedelta(seconds=seconds)

    def is_running(self, job: str) -> bool:
        pod = self.server.objects["Pod"].get(job)
        if pod is None:
            return False
        if job in self.dark:
            return False
        containers: list[JsonObject] = pod["status"].get("containerStatuses", [])
        return any("running" in container["state"] for container in containers)

    def _pod(self, name: str, job: str, job_uid: str) -> JsonObject:
        return {
            "kind": "Pod",
            "metadata": {
                "name": name,
                "labels": {"batch.kubernetes.io/job-name": job},
                "ownerReferences": [{"kind": "Job", "uid": job_uid, "controller": True}],
                "creationTimestamp": format_time(self.now),
            },
            "spec": {"nodeName": "n", "containers": [{"name": "task", "image": "i"}]},
            "status": {},
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

    def active_jobs(self) -> list[str]:
        """Return the Jobs that may still make or keep a pod."""
        return [
            name
            for name, job in self.server.objects["Job"].items()
            if "conditions" not in job.get("status", {})
        ]

    def _task_of(self, job: str) -> str:
        return self.server.objects["Job"][job]["metadata"]["labels"][labels.TASK]

    def _attempt_of(self, job: str) -> int:
        return int(self.server.objects["Job"][job]["metadata"]["labels"][labels.ATTEMPT])

    def _report(self, job: str, behaviour: Behaviour) -> JsonObject:
        attempt = self._attempt_of(job)
        report: JsonObject = {
            "run": RUN,
            "task": self._task_of(job),
            "attempt": attempt,
            "outcome": behaviour.outcome_of(attempt),
        }
        if report["outcome"] == "Succeeded":
            return report | {"output": behaviour.output}
        retryable = {} if behaviour.retryable else {"retryable": False}
        return report | {"error": {"type": "E", "message": "m"}} | retryable

    def _terminate(self, job: str, exit_code: int, *, killed: bool = False) -> None:
        behaviour = self.behaviours[self._task_of(job)]
        message = "" if killed else json.dumps(self._report(job, behaviour))
        times = {"startedAt": format_time(self.now), "finishedAt": format_time(self.now)}
        self._set_state(job, {"terminated": {"exitCode": exit_code, "message": message, **times}})

    def _set_state(self, job: str, state: JsonObject) -> None:
        status = {"containerStatuses": [{"name": "task", "state": state}]}
        self.server.update("Pod", job, {"status": status})


def _skipped(status: JsonObject | None) -> set[str]:
    entries: list[JsonObject] = status.get("tasks", []) if status else []
    return {entry["name"] for entry in entries if entry["state"] == "Skipped"}
