"""The pods of a run's Jobs, as the Job controller, the kubelet, the runner and others change them.

The test chooses every step. What really became of each pod is kept for the invariants.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api import pod as wire
from podhatch.api.model import JsonObject, format_time
from podhatch.cluster import JOB, POD, TASK_RESULT

from tests.property.durable_code import DurableCode, Program, variable
from tests.property.living_cluster import NAMESPACE, LivingCluster

RUN = "flow-1"
FORGED = '"forged"'
NODES = ("node-1", "node-2", "node-3")
_IDENTITY = ("run", "task", "attempt")


@dataclass(frozen=True)
class Behaviour:
    """What a task's code does when it runs, and how its pod reports it."""

    outcome: str = "Succeeded"
    fails_first: int = 0
    """So many attempts fail before one has the outcome."""
    retryable: bool = True
    reports: bool = True
    """By TaskResult; otherwise by its termination message alone."""
    output: str = '{"x":1}'
    waits: Program = ()
    """What the code of a durable task waits for before it ends."""

    def outcome_of(self, attempt: int) -> str:
        """Return how this attempt ends, of those that are no resumes."""
        return "Failed" if attempt <= self.fails_first else self.outcome


@dataclass
class Pods:
    """The Jobs and pods of one run, and what becomes of them."""

    cluster: LivingCluster
    behaviours: Mapping[str, Behaviour]
    now: Callable[[], datetime]
    begun: dict[str, datetime] = field(default_factory=dict[str, datetime])
    """When a Job's container started."""
    ended: dict[str, str] = field(default_factory=dict[str, str])
    """What really became of a Job's pod."""
    ended_at: dict[str, datetime] = field(default_factory=dict[str, datetime])
    dark: set[str] = field(default_factory=set[str])
    """Jobs whose pod is on a node that has lost its connection."""
    timed_out: set[str] = field(default_factory=set[str])
    """Those of them that have ended at their deadline."""
    nodes: dict[str, str] = field(default_factory=dict[str, str])
    """The node of each pod, by its Job."""
    extended: dict[str, float] = field(default_factory=dict[str, float])
    """By how much attempts have extended their time limit."""
    forged: int = 0

    def __post_init__(self) -> None:
        self.code = DurableCode(self.cluster, self.now)

    def make_pod(self, job: str) -> None:
        """The Job controller makes the pod, of a Job that has not ended."""
        found = self.cluster.find(JOB.kind, job)
        if self.cluster.find(POD.kind, job) or found is None or found.get("status"):
            return
        node = required_node(found) or NODES[len(self.nodes) % len(NODES)]
        self.nodes[job] = node
        self.cluster.put(self._pod(job, found, found["metadata"]["uid"], node))
        self.cluster.change(JOB.kind, job, status={"active": 1})

    def start_pod(self, job: str) -> None:
        """The kubelet starts the container, of a pod that may have been made just now."""
        self.make_pod(job)
        pod = self.cluster.find(POD.kind, job)
        if pod is not None and not pod.get("status") and job not in self.dark:
            self.begun[job] = self.now()
            self._set_state(job, {"running": {"startedAt": format_time(self.begun[job])}})

    def extend_time(self, job: str) -> None:
        """The task's code extends its time limit."""
        if self.is_running(job) and self.behaviours[self._task(job)].reports:
            self.extended[job] = self.extended.get(job, 0.0) + 30.0
            spec = {name: value for name, value in self._report(job).items() if name in _IDENTITY}
            self._report_result(job, spec | {"extendedSeconds": self.extended[job]})

    def end_pod(self, job: str) -> None:
        """The task's code runs to its end, or its next wait, and the runner reports its end."""
        if not self.is_running(job) or self._is_held_up(job):
            return
        report = self._report(job)
        succeeded = report["outcome"] == "Succeeded"
        self.end(job, report["outcome"])
        self._leave(job, wire.EXIT_SUCCEEDED if succeeded else wire.EXIT_FAILED, report)

    def _is_held_up(self, job: str) -> bool:
        """Let the code of a durable task go on; return whether it waits, or has a successor."""
        found = self.cluster.find(JOB.kind, job)
        if found is None or not _is_durable(found):
            return False
        if self.code.take_over(found):
            return self.code.waits(found, self.behaviours[self._task(job)].waits)
        self.end(job, "TakenOver")
        self._terminate(job, wire.EXIT_FAILED, None)
        return True

    def park_pod(self, job: str) -> None:
        """The runner gives up the pod of code that only waits, as far as it has heard."""
        if self._is_parked(job):
            report = self._report(job, "Evicted") | {"waitsOver": self.code.seen[job]}
            self.end(job, "Parked")
            self._leave(job, wire.EXIT_EVICTED, report)

    def park_unheard(self, job: str) -> None:
        """The runner gives up the pod, and its report is lost."""
        if self._is_parked(job):
            self.end(job, "Unheard")
            self._terminate(job, wire.EXIT_EVICTED, None)

    def _is_parked(self, job: str) -> bool:
        """Return whether the code of a pod only waits; else let it go on."""
        found = self.cluster.find(JOB.kind, job)
        if found is None or not _is_durable(found):
            return False
        if job not in self.code.seen:
            self.end_pod(job)
        return self.is_running(job) and job in self.code.seen

    def kill_pod(self, job: str) -> None:
        """Somebody kills the container before it reports."""
        if self.is_running(job):
            self.end(job, "Killed")
            self._terminate(job, 137, None)

    def evict_pod(self, job: str) -> None:
        """The node runs out of memory and the kubelet evicts the pod."""
        if self.is_running(job):
            self.end(job, "Evicted")
            self.cluster.change(POD.kind, job, status={"phase": "Failed", "reason": "Evicted"})

    def lose_pod(self, job: str) -> None:
        """Somebody deletes the pod, and nobody sees how it ends."""
        if self.cluster.find(POD.kind, job) and job not in self.ended:
            self.end(job, "Lost")
            self.dark.discard(job)
            self.cluster.remove(POD.kind, job)
            self.cluster.change(JOB.kind, job, status={"failed": 1})

    def darken_node(self, job: str) -> None:
        """The pod's node goes dark: the pod is to be deleted, and nothing tells how it ends."""
        pod = self.cluster.find(POD.kind, job)
        if pod is not None and job not in self.ended and job not in self.dark:
            self.dark.add(job)
            last_moment = format_time(self.now() + timedelta(seconds=30))
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
            self.timed_out.add(job)
            self._end_job(job, "FailureTarget", "DeadlineExceeded")
            return
        self.end(job, "JobFailed")
        self.cluster.remove(POD.kind, job)
        self._end_job(job, "Failed", "DeadlineExceeded")

    def is_running(self, job: str) -> bool:
        pod = self.cluster.find(POD.kind, job)
        if pod is None or job in self.dark:
            return False
        containers: list[JsonObject] = pod.get("status", {}).get("containerStatuses", [])
        return any("running" in container["state"] for container in containers)

    def may_run(self, job: str) -> bool:
        """Return whether the Job may still make or keep a pod."""
        stored = self.cluster.find(JOB.kind, job)
        return stored is not None and "conditions" not in stored.get("status", {})

    def under_way(self, jobs: Iterable[str]) -> list[str]:
        """Return those of the Jobs to whose pods something may happen."""
        return [job for job in jobs if job not in self.ended and self.may_run(job)]

    def is_live(self, job: str) -> bool:
        """Return whether the attempt may run, as far as anybody can know."""
        return job not in self.dark and bool(self.under_way([job]))

    def end(self, job: str, outcome: str) -> None:
        """Note that the attempt is over."""
        self.ended[job] = outcome
        self.ended_at[job] = self.now()

    def squat(self, job: str) -> None:
        """Another tenant makes a Job under the name of the next attempt."""
        stored = self.cluster.find(JOB.kind, job)
        name = job[:-1] + str(int(job[-1]) + 1)
        if stored is not None and job[-1] != "9" and self.cluster.find(JOB.kind, name) is None:
            metadata = {"name": name, "labels": stored["metadata"]["labels"]}
            self.cluster.put({**stored, "metadata": metadata})

    def forge_pod(self, job: str) -> None:
        """Another tenant makes a pod with the labels of ours, and ends it as it likes."""
        self.forged += 1
        found = self.cluster.find(JOB.kind, job)
        if found is None:
            return
        name = f"forged-{self.forged}"
        self.cluster.put(self._pod(name, found, "uid-of-another-job", NODES[0]))
        report = self._forged_report(found)
        ended = {
            "exitCode": 0,
            "message": json.dumps(report),
            "finishedAt": format_time(self.now()),
        }
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

    def _end_job(self, job: str, type: str, reason: str) -> None:
        condition = {
            "type": type,
            "status": "True",
            "reason": reason,
            "lastTransitionTime": format_time(self.now()),
        }
        self.cluster.change(JOB.kind, job, status={"conditions": [condition]})

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
            "outcome": ("Succeeded", "Evicted")[self.forged % 2],
            "output": FORGED,
        }

    def _report(self, job: str, outcome: str | None = None) -> JsonObject:
        found = self.cluster.find(JOB.kind, job)
        assert found is not None
        behaviour = self.behaviours[self._task(job)]
        report: JsonObject = {
            "run": RUN,
            "task": self._task(job),
            "attempt": int(found["metadata"]["labels"][labels.ATTEMPT]),
            "outcome": outcome or behaviour.outcome_of(1 + retry_count(found)),
            "startedAt": format_time(self.begun[job]),
            "finishedAt": format_time(self.now()),
        }
        if outcome:
            return report
        if report["outcome"] == "Succeeded":
            return report | {"output": behaviour.output}
        retryable = {} if behaviour.retryable else {"retryable": False}
        return report | {"error": {"type": "E", "message": "m"}} | retryable

    def _leave(self, job: str, exit_code: int, report: JsonObject) -> None:
        """The runner reports, and ends the process."""
        if self.behaviours[self._task(job)].reports:
            extended = {"extendedSeconds": self.extended[job]} if job in self.extended else {}
            self._report_result(job, report | extended)
        self._terminate(job, exit_code, report)

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
        times = {"startedAt": format_time(self.begun[job]), "finishedAt": format_time(self.now())}
        state = {"exitCode": exit_code, "message": message, **times}
        self._set_state(job, {"terminated": state})

    def _set_state(self, job: str, state: JsonObject) -> None:
        status = {"containerStatuses": [{"name": "task", "state": state}]}
        self.cluster.change(POD.kind, job, status=status)

    def _task(self, job: str) -> str:
        found = self.cluster.find(JOB.kind, job)
        assert found is not None
        task: str = found["metadata"]["labels"][labels.TASK]
        return task


def retry_count(job: JsonObject) -> int:
    """Return how many attempts of its task were made before a Job, but for resumes."""
    text = variable(job, wire.RETRY_COUNT)
    assert text is not None
    return int(text)


def _is_durable(job: JsonObject) -> bool:
    return variable(job, wire.DURABLE_LOG) is not None


def required_node(job: JsonObject) -> str | None:
    """Return the node on which alone the pod of a Job may run."""
    required = _node_affinity(job).get("requiredDuringSchedulingIgnoredDuringExecution", {})
    return next(map(_node_of, required.get("nodeSelectorTerms", [])), None)


def preferred_node(job: JsonObject) -> str | None:
    """Return the node on which the pod of a Job should run."""
    wishes = _node_affinity(job).get("preferredDuringSchedulingIgnoredDuringExecution", [])
    return next((_node_of(wish["preference"]) for wish in wishes), None)


def _node_affinity(job: JsonObject) -> JsonObject:
    return job["spec"]["template"]["spec"].get("affinity", {}).get("nodeAffinity", {})


def _node_of(term: JsonObject) -> str:
    [required] = term["matchFields"]
    [node] = required["values"]
    return node
