"""How one task of a run stands now, from how it stood and what is observed of its attempt.

Pure steps that plan_run takes for each task, parents before children.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api.run import (
    MAX_ERROR_MESSAGE,
    MAX_TRACEBACK,
    TERMINAL_STATES,
    TaskError,
    TaskStatus,
)
from podhatch.api.workflow import TaskSpec

from podhatch_operator.core.attempt import Attempt
from podhatch_operator.core.diagnosis import diagnose
from podhatch_operator.core.observed import Observed, Refusal
from podhatch_operator.core.outcome import Awaited, Ended, read_outcome
from podhatch_operator.core.pods import container_state, newest, node_name, read_time

MAX_TASK_MESSAGE = 2000
SCHEDULE_TIMED_OUT = "ScheduleTimedOut"
REFUSED = "Refused"


@dataclass(frozen=True)
class Step:
    """Where a task stands, and what follows from it."""

    status: TaskStatus
    output: str | None = None
    """The whole output as JSON text, when the attempt just ended."""
    output_in_result: bool = False
    start: bool = False
    """The attempt named in the status is to be created."""
    look_again_at: datetime | None = None


def advance(
    task: TaskSpec,
    old: TaskStatus,
    attempt: Attempt,
    observed: Observed,
    parents: Mapping[str, TaskStatus],
    now: datetime,
) -> Step:
    """Return the task's next step. Parents have taken theirs."""
    if old.state in TERMINAL_STATES:
        return Step(old)
    if old.job or attempt.name in observed.jobs or attempt.name in observed.results:
        return _follow(task, old, attempt, observed, now)
    if waiting := _unfinished_parents(parents):
        names = ", ".join(waiting)
        return Step(_pending(old, f"waits for {names}"))
    if failed := _lost_parent(parents):
        return Step(_cancelled_by(old, failed, parents, now))
    if refusal := observed.refusals.get(attempt.name):
        return _refused(task, old, refusal, now)
    return _start(task, old, attempt, now)


def output_text(status: TaskStatus, observed: Observed) -> str | None:
    """Return a succeeded task's whole output as JSON text; None when it returned nothing.

    Raises:
        KeyError: the TaskResult that holds it is gone.
    """
    if status.output_ref:
        return observed.results[status.output_ref]["spec"].get("output")
    return status.output


def _unfinished_parents(parents: Mapping[str, TaskStatus]) -> list[str]:
    return [name for name, parent in parents.items() if parent.state not in TERMINAL_STATES]


def _lost_parent(parents: Mapping[str, TaskStatus]) -> TaskStatus | None:
    return next((parent for parent in parents.values() if parent.state != "Succeeded"), None)


def _pending(old: TaskStatus, message: str) -> TaskStatus:
    return TaskStatus(
        name=old.name, state="Pending", reason="WaitingForParents", message=_bounded(message)
    )


def _cancelled_by(
    old: TaskStatus, parent: TaskStatus, parents: Mapping[str, TaskStatus], now: datetime
) -> TaskStatus:
    ends = [other.finished_at for other in parents.values() if other.finished_at]
    return TaskStatus(
        name=old.name,
        state="Cancelled",
        reason=f"Parent{parent.state}",
        message=f"task {parent.name} did not succeed",
        finished_at=max(ends, default=now),
    )


def _start(task: TaskSpec, old: TaskStatus, attempt: Attempt, now: datetime) -> Step:
    queued_at = old.queued_at or now
    status = TaskStatus(
        name=task.name,
        state="Queued",
        attempt=attempt.number,
        job=attempt.name,
        queued_at=queued_at,
    )
    return Step(status, start=True, look_again_at=_schedule_deadline(task, queued_at))


def _refused(task: TaskSpec, old: TaskStatus, refusal: Refusal, now: datetime) -> Step:
    """A quota may be free again later; an object that is invalid stays invalid."""
    queued_at = old.queued_at or now
    message = _bounded(f"the API server refused the attempt: {refusal.message}")
    waiting = TaskStatus(
        name=task.name, state="Queued", reason=REFUSED, message=message, queued_at=queued_at
    )
    if refusal.code != 403:
        ended = Ended("Failed", reason=REFUSED, message=message, error_type=REFUSED)
        return Step(_over(waiting, ended, now))
    deadline = _schedule_deadline(task, queued_at)
    if now >= deadline:
        return Step(_schedule_timed_out(task, waiting, message, now))
    return Step(waiting, look_again_at=deadline)


def _follow(
    task: TaskSpec, old: TaskStatus, attempt: Attempt, observed: Observed, now: datetime
) -> Step:
    """The attempt exists: judge it."""
    name = old.job or attempt.name
    job, pod = observed.jobs.get(name), newest(observed.pods.get(name, ()))
    created = read_time(job["metadata"]["creationTimestamp"]) if job else None
    queued_at = old.queued_at or created or now
    current = TaskStatus(
        name=task.name,
        state="Queued",
        attempt=attempt.number,
        job=name,
        node=node_name(pod) or old.node,
        queued_at=queued_at,
    )
    ended = read_outcome(task, result=observed.results.get(name), pod=pod, job=job, now=now)
    if isinstance(ended, Ended):
        status = _over(current, ended, now)
        return Step(status, output=ended.output, output_in_result=ended.output_in_result)
    running = container_state(pod).get("running") if pod else None
    if isinstance(ended, Awaited) or running:
        started_at = read_time(running.get("startedAt")) if running else old.started_at
        status = current.model_copy(update={"state": "Running", "started_at": started_at})
        until = ended.until if isinstance(ended, Awaited) else None
        return Step(status, look_again_at=until)
    diagnosis = diagnose(pod, name)
    deadline = _schedule_deadline(task, queued_at)
    if now >= deadline:
        return Step(_schedule_timed_out(task, current, diagnosis.message, now))
    explained = {"reason": diagnosis.reason, "message": _bounded(diagnosis.message)}
    return Step(current.model_copy(update=explained), look_again_at=deadline)


def _schedule_deadline(task: TaskSpec, queued_at: datetime) -> datetime:
    return queued_at + timedelta(seconds=task.schedule_timeout_seconds)


def _schedule_timed_out(task: TaskSpec, current: TaskStatus, why: str, now: datetime) -> TaskStatus:
    limit = f"{task.schedule_timeout_seconds:g}s"
    changes = {
        "state": "Cancelled",
        "reason": SCHEDULE_TIMED_OUT,
        "message": _bounded(f"did not start within its schedule timeout of {limit}: {why}"),
        "finished_at": now,
    }
    return current.model_copy(update=changes)


def _over(current: TaskStatus, ended: Ended, now: datetime) -> TaskStatus:
    changes = {
        "state": ended.state,
        "reason": ended.reason,
        "message": _bounded(ended.message) or None,
        "exit_code": ended.exit_code,
        "started_at": ended.started_at,
        "finished_at": ended.finished_at or now,
        "error": _error(ended),
    }
    return current.model_copy(update=changes)


def _error(ended: Ended) -> TaskError | None:
    if ended.state == "Succeeded":
        return None
    traceback = ended.traceback[-MAX_TRACEBACK:] if ended.traceback else None
    prefix = f"{ended.error_type}: "
    return TaskError(
        type=ended.error_type[:256],
        message=ended.message.removeprefix(prefix)[:MAX_ERROR_MESSAGE],
        traceback=traceback,
    )


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TASK_MESSAGE else text[: MAX_TASK_MESSAGE - 1] + "…"
