"""How a pod ended that left no report: by its containers, by the kubelet, or by who deleted it.

Pure rules over the pod's status. A failure of any container that keeps the task from running is the
task's own; what the cluster did to the pod is not.
"""

import math
import re
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_MESSAGE_BYTES, MAX_POD_MESSAGE_BYTES
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import MAX_REASON, EndReason, TaskState
from podhatch.core.common.plan import Patch, pod_deadline
from podhatch.core.common.text import output_problem
from podhatch.core.pod.pods import (
    container_spec,
    container_state,
    deletion_asked_at,
    message_bytes,
    node_name,
    read_time,
    restarts_beside_task,
    true_condition,
)


@dataclass(frozen=True, slots=True)
class AttemptEnd:
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
    waits_over: int | None = None
    """Of a durable task that gave up its pod: how many of its waits were over for it."""


@dataclass(frozen=True)
class ReportAwaited:
    """The attempt is over or ends, and what it still has to report is given time to arrive."""

    until: datetime


def failure(reason: EndReason, message: str) -> AttemptEnd:
    """Return the end of an attempt that failed."""
    return AttemptEnd("Failed", reason=reason, message=message, error_type=reason)


def loss(reason: EndReason, message: str) -> AttemptEnd:
    """Return the end of an attempt that was lost without a fault of the task."""
    return replace(failure(reason, message), disrupted=True)


def loss_by_kubernetes(reason: str, message: str) -> AttemptEnd:
    """Return the end of an attempt that was lost, with the reason that Kubernetes gives."""
    reason = reason[:MAX_REASON]
    return AttemptEnd("Failed", reason=reason, message=message, error_type=reason, disrupted=True)


def container_failure(terminated: JsonObject, reason: EndReason, message: str) -> AttemptEnd:
    """Return a failure with exit code and times of a container that terminated."""
    return with_times(failure(reason, message), terminated)


def with_times(ended: AttemptEnd, terminated: JsonObject) -> AttemptEnd:
    """Return the end with exit code and times of a container that terminated."""
    return replace(
        ended,
        exit_code=terminated.get("exitCode"),
        started_at=_started_at(terminated),
        finished_at=read_time(terminated.get("finishedAt")),
    )


def _started_at(terminated: JsonObject) -> datetime | None:
    """Return when a container started; None of one that could not, whose start is said as 1970."""
    started = read_time(terminated.get("startedAt"))
    return started if started and started > _EPOCH else None


_EPOCH = datetime.fromtimestamp(0, UTC)
CLOCK_STEP = timedelta(seconds=1)
"""Times of containers are whole seconds, rounded down."""
NO_ANSWER = timedelta(seconds=60)
"""A node that has not ended a pod so long after it had to is not waited for any more."""
MAX_TAIL = 1000
_NUMBER_STARTS = frozenset("-0123456789")
OUTPUT_NOT_JSON = "OutputNotJSON"
_DEFAULT_GRACE_SECONDS = 30
_OWN_LIMIT = re.compile(
    "exceeds the (total )?limit|exceeded its local ephemeral storage limit", re.IGNORECASE
)
"""How the kubelet reports the eviction of a pod for its own storage, not the node's."""


def ran_into_backstop(job: JsonObject | None) -> bool:
    """Return whether the Job's own deadline stopped the pod, and not a drain or a deletion."""
    found = [true_condition(job, name) for name in ("FailureTarget", "Failed")] if job else []
    return any(each["reason"] == "DeadlineExceeded" for each in found if each)


def disruption(
    pod: JsonObject, job: JsonObject | None, terminated: JsonObject | None = None
) -> AttemptEnd | None:
    """Return the end of a pod that was evicted, preempted or deleted before its time.

    A container that had ended with exit code 0 before that is not concerned.
    """
    if target := true_condition(pod, "DisruptionTarget"):
        reason = str(target.get("reason", "Disrupted"))
        began = read_time(target.get("lastTransitionTime"))
        words = target.get("message") or f"its pod had to go: {reason}"
    elif (began := deletion_asked_at(pod)) and not ran_into_backstop(job):
        reason, words = "PodDeleted", "its pod was deleted"
    else:
        return None
    if terminated is None:
        return loss_by_kubernetes(reason, words)
    ended_at = read_time(terminated.get("finishedAt"))
    if terminated.get("exitCode") == 0 and ended_at and began and ended_at < began:
        return None
    return with_times(loss_by_kubernetes(reason, words), terminated)


def own_storage_limit(pod: JsonObject) -> AttemptEnd | None:
    """Return the failure of a pod that was evicted because it used more storage than it may."""
    status: JsonObject = pod["status"]
    message: str = status.get("message", "").strip()
    if status.get("reason") != "Evicted" or not _OWN_LIMIT.search(message):
        return None
    return failure("StorageLimitExceeded", message)


def failed_pod(pod: JsonObject, job: JsonObject | None) -> AttemptEnd:
    """Judge a pod that failed before or beside the task's container."""
    if ended := disruption(pod, job) or own_storage_limit(pod) or _failed_init_container(pod):
        return ended
    status: JsonObject = pod["status"]
    message: str = status.get("message", "the pod failed")
    reason: str = status.get("reason", "PodFailed")
    if reason == "DeadlineExceeded":
        return failure("TimedOut", message)
    return loss_by_kubernetes(reason, message)


def _failed_init_container(pod: JsonObject) -> AttemptEnd | None:
    for status in pod["status"].get("initContainerStatuses", ()):
        terminated: JsonObject = status.get("state", {}).get("terminated", {})
        name: str = status["name"]
        if not terminated.get("exitCode") or restarts_beside_task(container_spec(pod, name)):
            continue
        is_oom = terminated.get("reason") == "OOMKilled"
        what = "used more memory than its limit" if is_oom else "failed"
        message = f"init container {name} {what}: {exit_words(terminated)}"
        ended = container_failure(terminated, "OOMKilled" if is_oom else "ExitCode", message)
        return replace(ended, started_at=None)
    return None


def exit_words(terminated: JsonObject) -> str:
    """Return exit code, reason and last words of a container."""
    reason: str = terminated.get("reason", "Error")
    why = "" if reason in ("Error", "Completed") else f" ({reason})"
    tail: str = terminated.get("message", "").strip()
    return f"exit code {terminated.get('exitCode', 0)}{why}" + (
        f": {tail[-MAX_TAIL:]}" if tail else ""
    )


def exit_failure(terminated: JsonObject) -> AttemptEnd:
    """Return the failure of the task's container by its exit code."""
    if terminated.get("reason") == "OOMKilled":
        message = "the container used more memory than its limit"
        return container_failure(terminated, "OOMKilled", message)
    return container_failure(terminated, "ExitCode", exit_words(terminated))


def container_end(task: TaskSpec, pod: JsonObject, terminated: JsonObject) -> AttemptEnd:
    """Judge the container of a task that is no Python function."""
    if _ran_too_long(task, pod, terminated):
        return with_times(timed_out(task), terminated)
    if terminated.get("exitCode") != 0:
        return exit_failure(terminated)
    room = message_bytes(pod["spec"])
    message: str = terminated.get("message", "").strip()
    may_be_cut = is_full(terminated.get("message", ""), room)
    if may_be_cut and message[:1] in _NUMBER_STARTS:  # what is left of a number that was cut is one
        return too_large(terminated, room)
    if problem := output_problem(message or "null"):
        if may_be_cut:
            return too_large(terminated, room)
        return container_failure(
            terminated,
            OUTPUT_NOT_JSON,
            "the output in $PODHATCH_OUTPUT is not JSON: "
            f"{problem}. It begins with {message[:100]!r}",
        )
    return with_times(AttemptEnd("Succeeded", output=message or None), terminated)


def is_full(message: str, room: int) -> bool:
    """Tell whether the kubelet may have cut a message.

    A character of up to four bytes at its end may have become one replacement character.
    """
    return len(message.encode()) > room - 4


def too_large(terminated: JsonObject, room: int) -> AttemptEnd:
    """Return the failure of a task whose output has no room in a termination message."""
    shared = f": the pod's containers share {MAX_POD_MESSAGE_BYTES} bytes"
    return container_failure(
        terminated,
        "OutputTooLarge",
        f"the output in $PODHATCH_OUTPUT is longer than {room} bytes, the limit of this pod"
        + (shared if room < MAX_MESSAGE_BYTES else ""),
    )


def timed_out(task: TaskSpec, more: str = "") -> AttemptEnd:
    """Return the failure of a task that ran longer than it may."""
    limit = f"{task.execution_timeout_seconds:g}"
    return failure("TimedOut", f"task exceeded its execution timeout of {limit}s{more}")


def _ran_too_long(task: TaskSpec, pod: JsonObject, terminated: JsonObject) -> bool:
    """Return whether the container ended after its limit, however it ended then."""
    started, finished = _started_at(terminated), read_time(terminated.get("finishedAt"))
    if finished is None:
        return False
    seconds = timedelta(seconds=task.execution_timeout_seconds)
    if started and finished - started - CLOCK_STEP >= seconds:
        return True
    pod_started = read_time(pod["status"].get("startTime"))
    pod_seconds: int | None = pod["spec"].get("activeDeadlineSeconds")
    if pod_started is None or pod_seconds is None:
        return False
    return finished >= pod_started + timedelta(seconds=pod_seconds)


def execution_deadline(task: TaskSpec, pod: JsonObject) -> datetime | None:
    """Return when a container task's time is over; None while its own container does not run.

    A Python task's runner keeps the time itself, from the moment user code starts.
    """
    started = read_time(container_state(pod).get("running", {}).get("startedAt"))
    if task.python or started is None:
        return None
    return started + timedelta(seconds=task.execution_timeout_seconds) + CLOCK_STEP


def overdue_at(deadline: datetime, pod: JsonObject) -> datetime:
    """Return when a pod whose time was over at `deadline` must have ended, if its node is there."""
    grace: int = pod["spec"].get("terminationGracePeriodSeconds", _DEFAULT_GRACE_SECONDS)
    return deadline + timedelta(seconds=grace) + NO_ANSWER


def end_of_pod(pod: JsonObject, moment: datetime) -> Patch | None:
    """Return the deadline by which the kubelet ends a pod's containers and keeps their logs.

    None when the pod has that deadline already.
    """
    started = read_time(pod["status"].get("startTime")) or moment
    seconds = max(math.ceil((moment - started).total_seconds()), 1)
    if pod["spec"].get("activeDeadlineSeconds", seconds + 1) <= seconds:
        return None
    return pod_deadline(pod["metadata"]["name"], seconds)


def lost_with_node(pod: JsonObject, job: JsonObject | None) -> AttemptEnd:
    """Return the end of a pod that was deleted, and of whose end its node says nothing."""
    if ran_into_backstop(job):
        return failure("TimedOut", "the Job's deadline passed, and the node does not answer")
    words = f"node {node_name(pod)} does not answer, and its pod was deleted"
    return loss("PodLost", words)
