"""What became of an attempt, from what its pod reported and what Kubernetes saw of it.

The first that is there counts: the TaskResult, the termination message, the exit code, the Job's
own failure. Called for each attempt that is under way.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_MESSAGE_BYTES, MAX_POD_MESSAGE_BYTES
from podhatch.api.result import TaskResultSpec
from podhatch.api.run import TaskState
from podhatch.api.task import TaskSpec
from pydantic import ValidationError

from podhatch_operator.core.pods import container_state, message_bytes, read_time, true_condition
from podhatch_operator.core.reported import output_problem

REPORT_GRACE = timedelta(seconds=5)
"""A report may arrive after the news that the pod ended: two watches, no order between them."""
OUTPUT_NOT_JSON = "OutputNotJSON"
_REPORTED_REASONS = {"Failed": "TaskFailed", "TimedOut": "TimedOut", "Cancelled": "TimedOut"}
_NUMBER_STARTS = frozenset("-0123456789")
_TOLERATED_SKEW = timedelta(seconds=2)


@dataclass(frozen=True)
class Ended:
    """An attempt that is over."""

    state: TaskState
    reason: str | None = None
    message: str = ""
    error_type: str = ""
    traceback: str | None = None
    output: str | None = None
    output_in_result: bool = False
    """The TaskResult holds the output too, so a long one may stay there."""
    exit_code: int | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    disrupted: bool = False
    """The attempt was lost through no fault of its own."""
    retryable: bool = True
    retry_after: float | None = None
    """Seconds that the task asked to wait before the next attempt."""


@dataclass(frozen=True)
class Awaited:
    """The attempt is over, and its report is still given the time to arrive."""

    until: datetime


def read_outcome(
    task: TaskSpec,
    *,
    result: JsonObject | None,
    pod: JsonObject | None,
    job: JsonObject | None,
    now: datetime,
) -> Ended | Awaited | None:
    """Return how the attempt ended; None while it is under way."""
    report = TaskResultSpec.model_validate(result["spec"]) if result else None
    if report is not None and report.outcome is not None:
        return _from_report(report, in_result=True, job=job)
    terminated: JsonObject | None = container_state(pod).get("terminated") if pod else None
    if pod and terminated:
        return _from_container(task, pod, terminated, job, now)
    if pod and pod.get("status", {}).get("phase") == "Failed":
        return _from_pod(pod)
    return _from_job(job, now)


def _from_report(report: TaskResultSpec, *, in_result: bool, job: JsonObject | None) -> Ended:
    if report.outcome == "Succeeded":
        if report.output is not None and (problem := output_problem(report.output)):
            return Ended(
                "Failed",
                reason=OUTPUT_NOT_JSON,
                message=f"the output that the task reported is not JSON: {problem}",
                error_type=OUTPUT_NOT_JSON,
                started_at=report.started_at,
                finished_at=report.finished_at,
            )
        return Ended(
            "Succeeded",
            output=report.output,
            output_in_result=in_result,
            started_at=report.started_at,
            finished_at=report.finished_at,
        )
    error = report.error
    outcome = report.outcome or "Failed"
    if outcome == "Cancelled" and not report.retryable:  # a drained pod may be tried again
        return Ended(
            "Cancelled",
            reason="CancelledItself",
            message=error.message if error else "the task cancelled itself",
            error_type=error.type if error else outcome,
            started_at=report.started_at,
            finished_at=report.finished_at,
            retryable=False,
        )
    stopped = outcome == "Cancelled" and not _ran_into_backstop(job)
    return Ended(
        "Failed",
        reason="Terminated" if stopped else _REPORTED_REASONS[outcome],
        message=f"{error.type}: {error.message}" if error else outcome,
        error_type=error.type if error else outcome,
        traceback=error.traceback if error else None,
        started_at=report.started_at,
        finished_at=report.finished_at,
        disrupted=stopped,
        retryable=report.retryable,
        retry_after=report.retry_after_seconds,
    )


def _ran_into_backstop(job: JsonObject | None) -> bool:
    """Whether the Job's own deadline stopped the pod, and not a drain or a deletion."""
    found = [true_condition(job, name) for name in ("FailureTarget", "Failed")] if job else []
    return any(each["reason"] == "DeadlineExceeded" for each in found if each)


def _from_container(
    task: TaskSpec, pod: JsonObject, terminated: JsonObject, job: JsonObject | None, now: datetime
) -> Ended | Awaited:
    room = message_bytes(pod["spec"])
    if task.python:
        ended = _python_end(task, terminated, room, job, now)
    else:
        ended = _container_end(terminated, room)
    if isinstance(ended, Awaited):
        return ended
    if ended.reason in ("ExitCode", "NoReport") and (cause := _disruption(pod, job)):
        return replace(ended, reason=cause, disrupted=True)
    if ended.reason == "ExitCode" and pod.get("status", {}).get("reason") == "DeadlineExceeded":
        return _timed_out(task, terminated)
    return ended


def _disruption(pod: JsonObject, job: JsonObject | None) -> str | None:
    """Say who ended the pod before its time: an eviction, a preemption, a deletion."""
    if target := true_condition(pod, "DisruptionTarget"):
        return str(target.get("reason", "Disrupted"))
    if pod["metadata"].get("deletionTimestamp") and not _ran_into_backstop(job):
        return "PodDeleted"
    return None


def _python_end(
    task: TaskSpec, terminated: JsonObject, room: int, job: JsonObject | None, now: datetime
) -> Ended | Awaited:
    message: str = terminated.get("message", "")
    report = _read_report(message)
    if report is not None and not (report.outcome == "Succeeded" and _truncated(message)):
        return _from_report(report, in_result=False, job=job)
    until = _grace_end(terminated.get("finishedAt"), now)
    if task.cluster_access != "none" and now < until:
        return Awaited(until)
    if report is not None:
        lost = _failed(
            terminated,
            "ReportLost",
            "the output is longer than a termination message, and its TaskResult never arrived",
        )
        return replace(lost, disrupted=True)
    if terminated.get("exitCode") == 0:
        if _is_full(message, room):
            return _too_large(terminated, room)
        return _failed(
            terminated,
            "NoReport",
            "the process ended with exit code 0 and reported "
            "nothing: did the task end the interpreter itself?",
        )
    return _exit_failure(terminated)


def _read_report(message: str) -> TaskResultSpec | None:
    """Return the runner's report; None for anything else, since a task may write here as well."""
    try:
        report = TaskResultSpec.model_validate_json(message)
    except ValidationError:
        return None
    return report if report.outcome else None


def _truncated(message: str) -> bool:
    return bool(json.loads(message).get("truncated"))


def _container_end(terminated: JsonObject, room: int) -> Ended:
    if terminated.get("exitCode") != 0:
        return _exit_failure(terminated)
    message: str = terminated.get("message", "").strip()
    is_full = _is_full(terminated.get("message", ""), room)
    if is_full and message[:1] in _NUMBER_STARTS:  # what is left of a number that was cut is one
        return _too_large(terminated, room)
    if problem := output_problem(message or "null"):
        if is_full:
            return _too_large(terminated, room)
        return _failed(
            terminated,
            OUTPUT_NOT_JSON,
            "the output in $PODHATCH_OUTPUT is not JSON: "
            f"{problem}. It begins with {message[:100]!r}",
        )
    return replace(_ended(terminated, "Succeeded"), output=message or None)


def _is_full(message: str, room: int) -> bool:
    """Tell whether the kubelet may have cut a message.

    A character of up to four bytes at its end may have become one replacement character.
    """
    return len(message.encode()) > room - 4


def _too_large(terminated: JsonObject, room: int) -> Ended:
    shared = f": the pod's containers share {MAX_POD_MESSAGE_BYTES} bytes"
    return _failed(
        terminated,
        "OutputTooLarge",
        f"the output in $PODHATCH_OUTPUT is longer than {room} bytes, the limit of this pod"
        + (shared if room < MAX_MESSAGE_BYTES else ""),
    )


def _exit_failure(terminated: JsonObject) -> Ended:
    code: int = terminated.get("exitCode", 0)
    if terminated.get("reason") == "OOMKilled":
        return _failed(terminated, "OOMKilled", "the container used more memory than its limit")
    tail: str = terminated.get("message", "").strip()
    words = f"exit code {code}" + (f": {tail[-1000:]}" if tail else "")
    return _failed(terminated, "ExitCode", words)


def _timed_out(task: TaskSpec, terminated: JsonObject) -> Ended:
    limit = f"{task.execution_timeout_seconds:g}"
    return _failed(terminated, "TimedOut", f"task exceeded its execution timeout of {limit}s")


def _failed(terminated: JsonObject, reason: str, message: str) -> Ended:
    ended = _ended(terminated, "Failed")
    return replace(ended, reason=reason, message=message, error_type=reason)


def _ended(terminated: JsonObject, state: TaskState) -> Ended:
    return Ended(
        state,
        exit_code=terminated.get("exitCode"),
        started_at=read_time(terminated.get("startedAt")),
        finished_at=read_time(terminated.get("finishedAt")),
    )


def _from_pod(pod: JsonObject) -> Ended:
    """The pod failed before or beside its container: evicted, refused by the node, too late."""
    status: JsonObject = pod["status"]
    reason: str = status.get("reason", "PodFailed")
    message = status.get("message", "the pod failed")
    if reason == "DeadlineExceeded":
        return Ended("Failed", reason="TimedOut", message=message, error_type="TimedOut")
    return Ended("Failed", reason=reason, message=message, error_type=reason, disrupted=True)


def _from_job(job: JsonObject | None, now: datetime) -> Ended | Awaited | None:
    """Judge by the Job alone, once the pod's own news have had their time."""
    if job is None:
        return Ended(
            "Failed",
            reason="JobDeleted",
            message="the attempt's Job was deleted before its pod reported",
            error_type="JobDeleted",
            disrupted=True,
        )
    over = true_condition(job, "Failed") or true_condition(job, "Complete")
    if over is None:
        return None
    until = _grace_end(over.get("lastTransitionTime"), now)
    if now < until:
        return Awaited(until)
    reason = {"DeadlineExceeded": "TimedOut", "PodFailurePolicy": "Disrupted"}.get(
        over.get("reason", ""), "PodLost"
    )
    words = over.get("message") or "the pod is gone"
    return Ended(
        "Failed",
        reason=reason,
        message=f"the pod left no report: {words}",
        error_type=reason,
        disrupted=reason != "TimedOut",
    )


def _grace_end(ended: str | None, now: datetime) -> datetime:
    """Return until when to wait; a time in the future is another clock's, and not waited for."""
    moment = read_time(ended)
    return moment + REPORT_GRACE if moment and moment <= now + _TOLERATED_SKEW else now
