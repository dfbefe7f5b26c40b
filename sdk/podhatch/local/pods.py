"""Pods and results of local executions, as a cluster would show them to the core. Pure."""

from datetime import datetime

from podhatch.api import labels, pod
from podhatch.api.labels import API_VERSION
from podhatch.api.model import JsonObject, format_time
from podhatch.api.pod import ErrorReport, Report
from podhatch.local.execution import Ended
from podhatch.local.work import Work, pod_name

_CONTAINER = "task"


def waiting_pod(job: JsonObject) -> JsonObject:
    """Return the pod of a Job, whose container has not started."""
    metadata: JsonObject = job["metadata"]
    name: str = metadata["name"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(name),
            "labels": {**metadata["labels"], "batch.kubernetes.io/job-name": name},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": name,
                    "uid": metadata["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": job["spec"]["template"]["spec"],
        "status": {"phase": "Pending"},
    }


def running_pod(now: datetime) -> JsonObject:
    """Return the status of a pod whose code runs."""
    return _status("Running", {"running": {"startedAt": format_time(now)}})


def ended_pod(end: Ended, now: datetime) -> JsonObject:
    """Return the status of a pod that has ended.

    Without a report there is no time of its end: a report that is still under way would be awaited.
    """
    times = {"finishedAt": format_time(now)} if end.message else {}
    state = {"terminated": {"exitCode": end.exit_code, "message": end.message, **times}}
    return _status("Failed" if end.exit_code else "Succeeded", state)


def job_end(end: Ended, now: datetime) -> JsonObject:
    """Return the status of a Job whose pod has ended."""
    kind = "Failed" if end.exit_code else "Complete"
    condition = {"type": kind, "status": "True", "lastTransitionTime": format_time(now)}
    return {"conditions": [condition]}


def task_result(job: JsonObject, report: Report) -> JsonObject:
    """Return what a pod with access to the cluster reports."""
    metadata: JsonObject = job["metadata"]
    named = (labels.RUN, labels.TASK, labels.ATTEMPT)
    return {
        "apiVersion": API_VERSION,
        "kind": "TaskResult",
        "metadata": {
            "name": metadata["name"],
            "labels": {name: metadata["labels"][name] for name in named},
        },
        "spec": report,
    }


def no_code(work: Work) -> Ended:
    """Return the end of a container task, which cannot be run here."""
    message = (
        f"task {work.task} runs a container, which needs a cluster: let a mock stand in for it, "
        f"mocks={{{work.task!r}: ...}}"
    )
    report = Report(
        run=work.environ[pod.RUN],
        task=work.task,
        attempt=int(work.environ[pod.ATTEMPT]),
        outcome="Failed",
        retryable=False,
        error=ErrorReport(type="ContainerTask", message=message),
    )
    return Ended(pod.EXIT_FAILED, report=report)


def out_of_time(names: JsonObject) -> Ended:
    """Return the end of a container task that a mock stands in for, by the labels of its Job."""
    report = Report(
        run=names[labels.RUN],
        task=names[labels.TASK],
        attempt=int(names[labels.ATTEMPT]),
        outcome="TimedOut",
        error=ErrorReport(type="TimedOut", message="task exceeded its execution timeout"),
    )
    return Ended(pod.EXIT_TIMED_OUT, report=report)


def _status(phase: str, state: JsonObject) -> JsonObject:
    return {"phase": phase, "containerStatuses": [{"name": _CONTAINER, "state": state}]}
