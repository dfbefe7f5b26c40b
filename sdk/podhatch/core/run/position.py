"""Where one task of a run stands, judged from where it stood and what is observed of its attempts.

`Waiting` becomes `Ready`, an attempt makes it `Running`, and how that ends makes it `Ended` or, if
it is tried again, `Waiting` once more. Tasks are judged one by one, parents before children.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import ClassVar, Final

from podhatch.api.event import WorkflowEvent
from podhatch.api.pod import SKIPPED_OUTPUT
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TERMINAL_STATES, TaskStatus, WaitReason
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Patch, job_deadline
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.common.text import output_problem
from podhatch.core.expressions.evaluation import Questions, json_text
from podhatch.core.pod.diagnosis import LOOK_UP_AGAIN, diagnose, lookup_due
from podhatch.core.pod.end import AttemptEnd, end_of_pod, execution_deadline, overdue_at
from podhatch.core.pod.pods import container_state, had_a_pod, has_started, node_name, read_time
from podhatch.core.pod.template import extension_limit
from podhatch.core.run.attempts import Attempts, AttemptView
from podhatch.core.run.conditions import ConditionInput, evaluate_conditions
from podhatch.core.run.eviction import (
    LOG_UNREADABLE,
    log_pages,
    log_problem,
    park,
    still_parked,
)
from podhatch.core.run.job import AttemptSpec, attempt_name, backstop_seconds
from podhatch.core.run.outcome import read_outcome
from podhatch.core.run.retry import next_attempt
from podhatch.core.run.task_status import (
    bounded,
    cancelled,
    failed,
    kept,
    over,
    skipped,
    to_be_tried_again,
    with_attempt,
)

SCHEDULE_TIMED_OUT = "ScheduleTimedOut"
REFUSED = "Refused"
CONCURRENCY = "Concurrency"
RATE_LIMIT = "RateLimit"
_HELD_BACK = (REFUSED, CONCURRENCY, RATE_LIMIT)
"""Why a task is not tried although its conditions let it."""
EXTENSION_CUT = "ExtensionCut"
UNSEEN_POD_PAUSE = timedelta(seconds=5)
"""When to look again for a pod that the Job controller knows of and we do not see."""


@dataclass(frozen=True)
class Waiting:
    """No attempt is made now: parents, conditions, backoff, a refusal or a limit are in the way."""

    status: TaskStatus
    on_conditions: bool = False
    """Events or expressions decide how long."""
    urgent: bool = False
    """Nothing may follow before the status is stored: the attempt that ended must not be lost."""
    look_again_at: datetime | None = None


@dataclass(frozen=True)
class Ready:
    """The next attempt may be made. Nothing of it is in the status before it is."""

    status: TaskStatus
    number: int
    queued_at: datetime
    look_again_at: ClassVar[None] = None


@dataclass(frozen=True)
class Running:
    """An attempt has been made and has not ended, whether or not its container runs yet."""

    status: TaskStatus
    extension: Patch | None = None
    """Moves the deadline of the Job with the time limit that the attempt has moved."""
    end: Patch | None = None
    """Ends the pod, whose time is over."""
    look_up: str | None = None
    """Uid of the Job or pod whose Events may say why the attempt does not start."""
    look_again_at: datetime | None = None


@dataclass(frozen=True)
class Ended:
    """The task is over."""

    status: TaskStatus
    output: str | None = None
    """The whole output as JSON text, when the last attempt just ended."""
    output_in_result: bool = False
    look_up: str | None = None
    """As for a running task: the Events may say why the last attempt never started."""
    look_again_at: ClassVar[None] = None


Settled = Waiting | Running | Ended
Position = Settled | Ready


@dataclass(frozen=True)
class TaskContext:
    """The run around a task, at one moment."""

    run: WorkflowRun
    observed: Observed
    attempts: Attempts
    events: tuple[WorkflowEvent, ...]
    defaults: Defaults
    now: datetime
    questions: Questions


def judge_task(
    task: TaskSpec, old: TaskStatus, judged: Mapping[str, Position], context: TaskContext
) -> Position:
    """Return where the task stands now. Its parents are among those that have been judged."""
    if old.state in TERMINAL_STATES:
        return Ended(old)
    number = max(old.attempt, 1) if old.job else _next_number(task, old, context)
    attempt = context.attempts.get((task.name, number))
    if old.job or attempt:
        return _follow(task, old, number, attempt, context)
    if old.state == "Waiting":
        return _resume(task, old, number, context)
    if old.next_attempt_at is not None or old.reason in _HELD_BACK:
        return _try(task, old, number, context)
    parents = {name: judged[name] for name in task.parents}
    return _enter(task, old, number, parents, context)


def judge_failure_task(
    task: TaskSpec, old: TaskStatus, others: Iterable[Position], context: TaskContext
) -> Position:
    """Return where the failure task stands: it waits until some other task has failed."""
    states = {position.status.state for position in others}
    if old.job is None and "Failed" not in states:
        if states <= TERMINAL_STATES:
            return Ended(skipped(kept(old), "NothingFailed", "no task failed", context.now))
        return Waiting(kept(old, state="Pending", reason="WaitingForFailure"))
    return judge_task(task, old, {}, context)


def output_text(position: Position, observed: Observed) -> str | None:
    """Return an ended task's whole output as JSON text; None when it returned nothing.

    Raises:
        KeyError: the TaskResult that holds it is gone, or another has taken its name.
    """
    status = position.status
    if status.state == "Skipped":
        return json_text(SKIPPED_OUTPUT)
    if isinstance(position, Ended) and position.output is not None:
        return position.output
    if status.output_ref is None:
        return status.output
    text: str | None = observed.results[status.output_ref]["spec"].get("output")
    if text is None or output_problem(text):
        raise KeyError(status.output_ref)
    return text


def output_value(position: Position, observed: Observed) -> object:
    """Return an ended task's output; None also for one that a status holds, and is not JSON.

    Raises:
        KeyError: as for `output_text`.
    """
    try:
        return json.loads(output_text(position, observed) or "null")
    except (ValueError, RecursionError):
        return None


def start(task: TaskSpec, ready: Ready, job: str) -> Running:
    """Return where a task stands once its next attempt has been made as this Job."""
    status = with_attempt(ready.status, ready.number, job=job, queued_at=ready.queued_at)
    return Running(status, look_again_at=schedule_deadline(task, ready.queued_at))


PARENT_OUTPUT_LOST: Final = "ParentOutputLost"


def lose_output(old: TaskStatus, result: str, now: datetime) -> Ended:
    """Return the end of a task whose parent's output is gone."""
    return Ended(failed(old, PARENT_OUTPUT_LOST, lost_output(result), now))


def lost_output(result: str) -> str:
    """Say that a parent's output is gone."""
    return f"the TaskResult {result} that holds a parent's output was deleted"


def _next_number(task: TaskSpec, old: TaskStatus, context: TaskContext) -> int:
    """Return the number of the attempt after those that are noted.

    A number that was used and never noted is left out: its Job was made for another replay of the
    run, or is gone and has left a result.
    """
    number = old.attempt + 1
    while _is_used_up(task, number, context):
        number += 1
    return number


def _is_used_up(task: TaskSpec, number: int, context: TaskContext) -> bool:
    if attempt := context.attempts.get((task.name, number)):
        return attempt.replay != context.run.asked_replays
    metadata, results = context.run.metadata, context.observed.results
    return attempt_name(metadata.name, metadata.uid, task.name, number) in results


def _enter(
    task: TaskSpec,
    old: TaskStatus,
    number: int,
    parents: Mapping[str, Position],
    context: TaskContext,
) -> Position:
    """The task has not been tried: do its parents and conditions let it?"""
    waiting = [name for name, each in parents.items() if each.status.state not in TERMINAL_STATES]
    if waiting:
        return Waiting(_pending(old, "WaitingForParents", f"waits for {', '.join(waiting)}"))
    statuses = {name: position.status for name, position in parents.items()}
    ends = [status.finished_at for status in statuses.values() if status.finished_at]
    since = max(ends, default=context.run.metadata.creation_timestamp or context.now)
    lost = next((each for each in statuses.values() if each.state in ("Failed", "Cancelled")), None)
    if lost is not None:
        message = f"task {lost.name} did not succeed"
        reason = "ParentFailed" if lost.state == "Failed" else "ParentCancelled"
        return Ended(cancelled(old, reason, message, since))
    if statuses and all(status.state == "Skipped" for status in statuses.values()):
        return Ended(skipped(old, "ParentsSkipped", "all its parents were skipped", since))
    if task.wait_for or task.skip_if or task.cancel_if:
        return _evaluate(task, old, number, parents, since, context)
    return _try(task, old, number, context)


def _evaluate(
    task: TaskSpec,
    old: TaskStatus,
    number: int,
    parents: Mapping[str, Position],
    since: datetime,
    context: TaskContext,
) -> Position:
    run, now = context.run, context.now
    try:
        outputs = {
            name: output_value(position, context.observed) for name, position in parents.items()
        }
    except KeyError as error:
        return lose_output(old, str(error.args[0]), now)
    result = evaluate_conditions(
        task,
        ConditionInput(
            since=since,
            run_created=run.metadata.creation_timestamp or since,
            now=now,
            input=run.spec.input,
            outputs=outputs,
            events=context.events,
            questions=context.questions,
            met=old.met,
        ),
    )
    match result.decision:
        case "Run":
            return _try(task, old.model_copy(update={"met": result.met}), number, context)
        case "Skip":
            return Ended(skipped(old, "SkipIf", result.message, now))
        case "Cancel":
            return Ended(cancelled(old, "CancelIf", result.message, now))
        case "Fail":
            return Ended(failed(old, result.reason, result.message, now))
        case _:
            met = old.model_copy(update={"met": result.met})
            status = _pending(met, "WaitingForConditions", result.message)
            return Waiting(status, on_conditions=True, look_again_at=result.look_again_at)


def _pending(old: TaskStatus, reason: WaitReason, message: str) -> TaskStatus:
    return kept(old, state="Pending", reason=reason, message=bounded(message), met=old.met)


def _resume(
    task: TaskSpec, old: TaskStatus, number: int, context: TaskContext
) -> Waiting | Ready | Ended:
    """The task waits without a pod: it gets one once more waits are over than it has seen."""
    pages = log_pages(context.run, task, context.observed)
    if problem := log_problem(pages):
        return Ended(failed(old, LOG_UNREADABLE, problem, context.now))
    waiting = still_parked(old, pages, context.now)
    if waiting is None:
        return _try(task, old, number, context)
    return Waiting(waiting.status, look_again_at=waiting.look_again_at)


def _try(
    task: TaskSpec, old: TaskStatus, number: int, context: TaskContext
) -> Waiting | Ready | Ended:
    """The next attempt may be made, once its backoff is over and the API server accepts it."""
    run, now = context.run, context.now
    if old.next_attempt_at and now < old.next_attempt_at:
        return Waiting(old, look_again_at=old.next_attempt_at)
    if refusal := context.observed.refusals.get(AttemptSpec(run, task, number).name):
        return _refused(task, old, refusal, now)
    queued_at = old.queued_at if old.reason in _HELD_BACK and old.queued_at else now
    return Ready(old, number, queued_at)


def _refused(
    task: TaskSpec, old: TaskStatus, refusal: ApiRefusal, now: datetime
) -> Waiting | Ended:
    """A quota or a webhook may be free again later; an object that is invalid stays invalid."""
    queued_at = old.queued_at or now
    message = bounded(f"the API server refused the attempt: {refusal.message}")
    waiting = kept(old, state="Queued", reason=REFUSED, message=message, queued_at=queued_at)
    if refusal.code not in (403, 500):
        return Ended(failed(waiting, REFUSED, message, now))
    deadline = schedule_deadline(task, queued_at)
    if now >= deadline:
        return Ended(schedule_timed_out(task, waiting, message, now))
    return Waiting(waiting, look_again_at=deadline)


def _follow(
    task: TaskSpec,
    old: TaskStatus,
    number: int,
    attempt: AttemptView | None,
    context: TaskContext,
) -> Settled:
    """The attempt was made: has it ended, and does it run?"""
    if attempt and old.job and attempt.name != old.job:
        attempt = None
    now = context.now
    job = attempt.job if attempt else None
    pod = attempt.pod if attempt else None
    result = attempt.result if attempt else None
    created = read_time(job["metadata"]["creationTimestamp"]) if job else None
    current = with_attempt(
        old,
        number,
        job=attempt.name if attempt else old.job,
        node=node_name(pod) or (old.node if old.job else None),
        queued_at=(old.queued_at if old.job else None) or created or now,
    )
    has_run = old.job is not None and (old.state == "Running" or old.started_at is not None)
    started = has_run or result is not None or (pod is not None and has_started(pod))
    end = read_outcome(task, result=result, pod=pod, job=job, now=now, started=started)
    if isinstance(end, AttemptEnd):
        return _end(task, current, end, attempt, context)
    until = end.until if end else None
    if not started:
        return _not_started(task, current, attempt, until, context)
    running = container_state(pod).get("running") if pod else None
    started_at = read_time(running.get("startedAt")) if running else old.started_at
    status = current.model_copy(update={"state": "Running", "started_at": started_at})
    position = Running(status, look_again_at=until)
    if attempt and (deadline := _time_limit(task, attempt)) and not until:
        position = _within_time(position, attempt, deadline, now)
    return _extended(task, position, attempt, context) if attempt else position


def _time_limit(task: TaskSpec, attempt: AttemptView) -> datetime | None:
    return execution_deadline(task, attempt.pod) if attempt.pod else None


def _within_time(
    position: Running, attempt: AttemptView, deadline: datetime, now: datetime
) -> Running:
    """Have the kubelet end the pod of a container task once its time is over."""
    if now < deadline:
        return replace(position, look_again_at=deadline)
    assert attempt.pod is not None
    return replace(
        position,
        end=end_of_pod(attempt.pod, deadline),
        look_again_at=overdue_at(deadline, attempt.pod),
    )


def _extended(
    task: TaskSpec, position: Running, attempt: AttemptView, context: TaskContext
) -> Running:
    """Move the Job's deadline with the time limit that the attempt has moved, within limits."""
    asked: float = attempt.result["spec"].get("extendedSeconds", 0.0) if attempt.result else 0.0
    if not asked:
        return position
    limit = extension_limit(task, context.defaults)
    seconds = backstop_seconds(task, min(asked, limit))
    if attempt.job["spec"].get("activeDeadlineSeconds", 0) < seconds:
        position = replace(position, extension=job_deadline(attempt.name, seconds))
    if asked <= limit:
        return position
    message = (
        f"extended its execution timeout by {asked:g}s, and at most {limit:g}s are allowed "
        "(maxExtensionSeconds of the task, or of the chart): it is stopped then"
    )
    changes = {"reason": EXTENSION_CUT, "message": message}
    return replace(position, status=position.status.model_copy(update=changes))


def _not_started(
    task: TaskSpec,
    current: TaskStatus,
    attempt: AttemptView | None,
    until: datetime | None,
    context: TaskContext,
) -> Running | Ended:
    job, pod = (attempt.job, attempt.pod) if attempt else (None, None)
    now = context.now
    uid: str = (pod or job or {"metadata": {}})["metadata"].get("uid", "")
    notes = context.observed.notes.get(uid, ())
    diagnosis = diagnose(pod, job, current.job or "", notes)
    explained = {"reason": diagnosis.reason, "message": bounded(diagnosis.message)}
    waiting = current.model_copy(update=explained)
    known = uid if notes else None  # the warnings are forgotten in a moment: look again
    if until is not None:
        return Running(waiting, look_up=known, look_again_at=until)
    due = lookup_due(pod, job, now)
    look_up = uid if due and now >= due else known
    deadline = schedule_deadline(task, current.queued_at or now)
    if now < deadline:
        again = now + LOOK_UP_AGAIN if look_up else due
        soon = min(deadline, again) if again else deadline
        return Running(waiting, look_up=look_up, look_again_at=soon)
    if pod is None and job is not None and had_a_pod(job):
        pauses = (now - deadline) // UNSEEN_POD_PAUSE + 1
        again = deadline + pauses * UNSEEN_POD_PAUSE
        return Running(waiting, look_up=known, look_again_at=again)
    return Ended(schedule_timed_out(task, current, diagnosis.message, now), look_up=look_up)


def _end(
    task: TaskSpec,
    current: TaskStatus,
    end: AttemptEnd,
    attempt: AttemptView | None,
    context: TaskContext,
) -> Waiting | Ended:
    """The attempt is over: so is the task, unless it is tried again, or waits without a pod."""
    if end.waits_over is not None:
        pages = log_pages(context.run, task, context.observed)
        waits_at_start = attempt.waits_over if attempt else 0
        status = park(current, end, waits_at_start, pages, context.now)
        return Waiting(status, urgent=True)
    seed = f"{context.run.metadata.uid}/{task.name}/{current.attempt}"
    retry = next_attempt(task, current, end, seed, context.now)
    if retry is not None:
        status = to_be_tried_again(current, end, retry, context.now)
        return Waiting(status, urgent=True, look_again_at=retry.at)
    return Ended(over(current, end, context.now), end.output, end.output_in_result)


def schedule_deadline(task: TaskSpec, queued_at: datetime) -> datetime:
    """Return until when the task must have begun."""
    return queued_at + timedelta(seconds=task.schedule_timeout_seconds)


def schedule_timed_out(task: TaskSpec, current: TaskStatus, why: str, now: datetime) -> TaskStatus:
    """Return the end of a task that did not begin in time."""
    limit = f"{task.schedule_timeout_seconds:g}s"
    message = f"did not start within its schedule timeout of {limit}: {why}"
    return cancelled(current, SCHEDULE_TIMED_OUT, message, now)
