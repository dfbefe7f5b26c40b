"""What became of an attempt, from what its pod reported and what Kubernetes saw of it.

The first that is there counts: the TaskResult, the termination message, the end of the task's
container, the end of its pod, the Job's own end.
"""

import json
from dataclasses import replace
from datetime import datetime, timedelta

from pydantic import ValidationError

from podhatch.api.model import JsonObject
from podhatch.api.pod import EXIT_EVICTED, EXIT_TAKEN_OVER
from podhatch.api.result import TaskResultSpec
from podhatch.api.task import TaskSpec
from podhatch.core.common.text import output_problem
from podhatch.core.pod.end import (
    NO_ANSWER,
    OUTPUT_NOT_JSON,
    AttemptEnd,
    ReportAwaited,
    container_end,
    container_failure,
    disruption,
    execution_deadline,
    exit_failure,
    failed_pod,
    failure,
    is_full,
    loss,
    lost_with_node,
    overdue_at,
    own_storage_limit,
    ran_into_backstop,
    timed_out,
    too_large,
    with_times,
)
from podhatch.core.pod.pods import container_state, message_bytes, read_time, true_condition

REPORT_GRACE = timedelta(seconds=5)
"""A report may arrive after the news that the pod ended: two watches, no order between them."""
_REPORTED_REASONS = {"Failed": "TaskFailed", "TimedOut": "TimedOut", "Cancelled": "TimedOut"}
_WITHOUT_REPORT = {
    EXIT_EVICTED: "the task gave up its pod, and its report never arrived",
    EXIT_TAKEN_OVER: "the task was reset, or had a later pod already",
}
"""Why pods of durable tasks that end with these codes are lost, and have not failed."""
_TOLERATED_SKEW = timedelta(seconds=2)
_JOB_ENDS = ("Failed", "Complete", "FailureTarget", "SuccessCriteriaMet")
"""Conditions of a Job that has ended, or that waits for its last pod to be gone."""


def read_outcome(
    task: TaskSpec,
    *,
    result: JsonObject | None,
    pod: JsonObject | None,
    job: JsonObject | None,
    now: datetime,
    started: bool = False,
) -> AttemptEnd | ReportAwaited | None:
    """Return how the attempt ended; None while it is under way.

    Args:
        task: what was attempted.
        result: the attempt's TaskResult.
        pod: its pod.
        job: its Job.
        now: the time.
        started: whether the attempt is known to have run, even if its pod is gone.
    """
    report = TaskResultSpec.model_validate(result["spec"]) if result else None
    if report is not None and report.outcome is not None:
        return _from_report(task, _plausible(report, job, now), in_result=True, job=job)
    terminated: JsonObject | None = container_state(pod).get("terminated") if pod else None
    if pod and terminated:
        return _from_container(task, pod, terminated, job, now)
    if pod and pod.get("status", {}).get("phase") == "Failed":
        return failed_pod(pod, job)
    if pod is None and started and job and job["spec"].get("suspend"):
        return loss("PodDeleted", "its Job was suspended while it ran")
    return (_from_silent_node(task, pod, job, now) if pod else None) or _from_job(job, now)


def _plausible(report: TaskResultSpec, job: JsonObject | None, now: datetime) -> TaskResultSpec:
    """Return the report with its times limited to those between the Job's creation and now.

    Sleep conditions count from these times, and a pod's clock may be wrong.
    """
    created = read_time(job["metadata"]["creationTimestamp"]) if job else None
    started_at = _between(created, report.started_at, now)
    finished_at = _between(created, report.finished_at, now)
    if started_at is report.started_at and finished_at is report.finished_at:
        return report
    return report.model_copy(update={"started_at": started_at, "finished_at": finished_at})


def _between(first: datetime | None, moment: datetime | None, last: datetime) -> datetime | None:
    if moment is None or moment.tzinfo is None:
        return None
    return min(max(moment, first or moment), last)


def _from_report(
    task: TaskSpec, report: TaskResultSpec, *, in_result: bool, job: JsonObject | None
) -> AttemptEnd:
    started_at, finished_at = report.started_at, report.finished_at
    if report.outcome != "Succeeded":
        end = _unsuccessful_end(task, report, job)
    elif report.output is not None and (problem := output_problem(report.output)):
        refused = f"the output that the task reported is not JSON: {problem}"
        end = failure(OUTPUT_NOT_JSON, refused)
    else:
        return AttemptEnd(
            "Succeeded",
            output=report.output,
            output_in_result=in_result,
            started_at=started_at,
            finished_at=finished_at,
        )
    return replace(end, started_at=started_at, finished_at=finished_at)


def _unsuccessful_end(task: TaskSpec, report: TaskResultSpec, job: JsonObject | None) -> AttemptEnd:
    if report.outcome == "Evicted":
        if task.durable is None:
            message = "the task reported that it gave up its pod, and it is not durable"
            return failure("TaskFailed", message)
        return AttemptEnd("Waiting", waits_over=report.waits_over or 0)
    error = report.error
    outcome = report.outcome or "Failed"
    if outcome == "Cancelled" and not report.retryable:  # a drained pod may be tried again
        return AttemptEnd(
            "Cancelled",
            reason="CancelledItself",
            message=error.message if error else "the task cancelled itself",
            error_type=error.type if error else outcome,
            retryable=False,
        )
    stopped = outcome == "Cancelled" and not ran_into_backstop(job)
    return AttemptEnd(
        "Failed",
        reason="Terminated" if stopped else _REPORTED_REASONS[outcome],
        message=f"{error.type}: {error.message}" if error else outcome,
        error_type=error.type if error else outcome,
        traceback=error.traceback if error else None,
        disrupted=stopped,
        retryable=report.retryable,
        retry_after=report.retry_after_seconds,
    )


def _from_container(
    task: TaskSpec, pod: JsonObject, terminated: JsonObject, job: JsonObject | None, now: datetime
) -> AttemptEnd | ReportAwaited:
    message: str = terminated.get("message", "")
    report = _read_report(message) if task.python else None
    is_truncated = report is not None and json.loads(message).get("truncated")
    if report is not None and not (report.outcome == "Succeeded" and is_truncated):
        return _from_report(task, _plausible(report, job, now), in_result=False, job=job)
    until = _grace_end(terminated.get("finishedAt"), now)
    if task.python and task.cluster_access != "none" and now < until:
        return ReportAwaited(until)
    if terminated.get("reason") == "OOMKilled":
        return exit_failure(terminated)
    if report is not None:
        return with_times(
            loss(
                "ReportLost",
                "the output is longer than a termination message, and its TaskResult never arrived",
            ),
            terminated,
        )
    if lost := disruption(pod, job, terminated):
        return lost
    if exceeded := own_storage_limit(pod):
        return with_times(exceeded, terminated)
    if task.durable and (why := _WITHOUT_REPORT.get(terminated.get("exitCode", 0))):
        return with_times(loss("ReportLost", why), terminated)
    if task.python:
        return _python_exit(terminated, message_bytes(pod["spec"]))
    return container_end(task, pod, terminated)


def _read_report(message: str) -> TaskResultSpec | None:
    """Return the runner's report; None for anything else, since a task may write here as well."""
    try:
        report = TaskResultSpec.model_validate_json(message)
    except ValidationError:
        return None
    return report if report.outcome else None


def _python_exit(terminated: JsonObject, room: int) -> AttemptEnd:
    if terminated.get("exitCode") == 0:
        if is_full(terminated.get("message", ""), room):
            return too_large(terminated, room)
        return container_failure(
            terminated,
            "NoReport",
            "the process ended with exit code 0 and reported "
            "nothing: did the task end the interpreter itself?",
        )
    return exit_failure(terminated)


def _from_silent_node(
    task: TaskSpec, pod: JsonObject, job: JsonObject | None, now: datetime
) -> AttemptEnd | ReportAwaited | None:
    """Judge a pod that was to end, once its node has said nothing for too long."""
    if last_moment := read_time(pod["metadata"].get("deletionTimestamp")):
        until = last_moment + NO_ANSWER
        return lost_with_node(pod, job) if now >= until else ReportAwaited(until)
    deadline = execution_deadline(task, pod)
    if deadline and now >= overdue_at(deadline, pod):
        return timed_out(task, ", and its node does not answer")
    return None


def _from_job(job: JsonObject | None, now: datetime) -> AttemptEnd | ReportAwaited | None:
    """Judge by the Job alone, once the pod's own news have had their time."""
    if job is None:
        return loss("JobDeleted", "the attempt's Job was deleted before its pod reported")
    found = (true_condition(job, name) for name in _JOB_ENDS)
    over = next((each for each in found if each), None)
    if over is None:
        return None
    until = _grace_end(over.get("lastTransitionTime"), now)
    if now < until:
        return ReportAwaited(until)
    message = f"the pod left no report: {over.get('message') or 'the pod is gone'}"
    if over.get("reason") == "DeadlineExceeded":
        return failure("TimedOut", message)
    return loss("Disrupted" if over.get("reason") == "PodFailurePolicy" else "PodLost", message)


def _grace_end(ended: str | None, now: datetime) -> datetime:
    """Return until when to wait; a time in the future is another clock's, and not waited for."""
    moment = read_time(ended)
    return moment + REPORT_GRACE if moment and moment <= now + _TOLERATED_SKEW else now
