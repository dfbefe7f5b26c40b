"""What became of an attempt, from what its pod reported and what Kubernetes saw of it.

The first that is there counts: the TaskResult, the termination message, the exit code, the Job's
own failure. Called for each attempt that is under way.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_MESSAGE_BYTES
from podhatch.api.result import TaskResultSpec
from podhatch.api.run import TaskState
from podhatch.api.workflow import TaskSpec
from pydantic import ValidationError

from podhatch_operator.core.pod_template import has_cluster_access
from podhatch_operator.core.pods import container_state, read_time, true_condition

REPORT_GRACE = timedelta(seconds=5)
"""A report may arrive after the news that the pod ended: two watches, no order between them."""
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
    if result is not None:
        return _from_report(TaskResultSpec.model_validate(result["spec"]), in_result=True)
    terminated: JsonObject | None = container_state(pod).get("terminated") if pod else None
    if pod and terminated:
        return _from_container(task, pod, terminated, now)
    if pod and pod.get("status", {}).get("phase") == "Failed":
        return _from_pod(pod)
    return _from_job(job, now)


def _from_report(report: TaskResultSpec, *, in_result: bool) -> Ended:
    if report.outcome == "Succeeded":
        return Ended(
            "Succeeded",
            output=report.output,
            output_in_result=in_result,
            started_at=report.started_at,
            finished_at=report.finished_at,
        )
    error = report.error
    reason = {"Failed": "TaskFailed", "TimedOut": "TimedOut", "Cancelled": "Terminated"}
    return Ended(
        "Cancelled" if report.outcome == "Cancelled" else "Failed",
        reason=reason[report.outcome],
        message=f"{error.type}: {error.message}" if error else report.outcome,
        error_type=error.type if error else report.outcome,
        traceback=error.traceback if error else None,
        started_at=report.started_at,
        finished_at=report.finished_at,
    )


def _from_container(
    task: TaskSpec, pod: JsonObject, terminated: JsonObject, now: datetime
) -> Ended | Awaited:
    ended = _python_end(task, terminated, now) if task.python else _container_end(terminated)
    if isinstance(ended, Awaited):
        return ended
    if ended.reason == "ExitCode" and pod.get("status", {}).get("reason") == "DeadlineExceeded":
        return _timed_out(task, terminated)
    return ended


def _python_end(task: TaskSpec, terminated: JsonObject, now: datetime) -> Ended | Awaited:
    message: str = terminated.get("message", "")
    report = _read_report(message)
    if report is not None and not (report.outcome == "Succeeded" and _truncated(message)):
        return _from_report(report, in_result=False)
    until = _grace_end(terminated.get("finishedAt"), now)
    if has_cluster_access(task) and now < until:
        return Awaited(until)
    if report is not None:
        return _failed(
            terminated,
            "ReportLost",
            "the output is longer than a termination message, and its TaskResult never arrived",
        )
    if terminated.get("exitCode") == 0:
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
        return TaskResultSpec.model_validate_json(message)
    except ValidationError:
        return None


def _truncated(message: str) -> bool:
    return bool(json.loads(message).get("truncated"))


def _container_end(terminated: JsonObject) -> Ended:
    if terminated.get("exitCode") != 0:
        return _exit_failure(terminated)
    message: str = terminated.get("message", "").strip()
    try:
        json.loads(message or "null", parse_constant=_refuse_constant)
    except ValueError as error:
        if len(message.encode()) >= MAX_MESSAGE_BYTES - 4:
            return _failed(
                terminated,
                "OutputTooLarge",
                "the output in $PODHATCH_OUTPUT is longer "
                f"than {MAX_MESSAGE_BYTES} bytes, the limit of a container task",
            )
        return _failed(
            terminated,
            "OutputNotJSON",
            "the output in $PODHATCH_OUTPUT is not JSON: "
            f"{error}. It begins with {message[:100]!r}",
        )
    return replace(_ended(terminated, "Succeeded"), output=message or None)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


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
        reason = "TimedOut"
    return Ended("Failed", reason=reason, message=message, error_type=reason)


def _from_job(job: JsonObject | None, now: datetime) -> Ended | Awaited | None:
    """Judge by the Job alone, once the pod's own news have had their time."""
    if job is None:
        return Ended(
            "Failed",
            reason="JobDeleted",
            message="the attempt's Job was deleted before its pod reported",
            error_type="JobDeleted",
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
        "Failed", reason=reason, message=f"the pod left no report: {words}", error_type=reason
    )


def _grace_end(ended: str | None, now: datetime) -> datetime:
    """Return until when to wait; a time in the future is another clock's, and not waited for."""
    moment = read_time(ended)
    return moment + REPORT_GRACE if moment and moment <= now + _TOLERATED_SKEW else now
