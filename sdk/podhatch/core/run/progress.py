"""How one task of a run stands now, from how it stood and what is observed of its attempts.

Pure steps that plan_run takes for each task, parents before children.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from podhatch.api.event import WorkflowEvent
from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_STATES, TaskStatus, WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Patch
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.common.text import output_problem
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.pod.diagnosis import LOOK_UP_AGAIN, diagnose, lookup_due
from podhatch.core.pod.end import AttemptEnd, end_of_pod, execution_deadline, overdue_at
from podhatch.core.pod.pods import (
    container_state,
    had_a_pod,
    has_started,
    is_controlled_by,
    newest,
    node_name,
    read_time,
    replay_number,
)
from podhatch.core.run.conditions import ConditionInput, evaluate_conditions
from podhatch.core.run.job import AttemptSpec
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
)

SCHEDULE_TIMED_OUT = "ScheduleTimedOut"
REFUSED = "Refused"
SKIPPED_OUTPUT = '{"skipped":true}'
"""What children find as the output of a parent that was skipped."""
UNSEEN_POD_PAUSE = timedelta(seconds=5)
"""When to look again for a pod that the Job controller knows of and we do not see."""


@dataclass(frozen=True)
class TaskContext:
    """The run around a task, at one moment."""

    run: WorkflowRun
    observed: Observed
    events: tuple[WorkflowEvent, ...]
    now: datetime
    questions: Questions


@dataclass(frozen=True)
class Step:
    """Where a task stands, and what follows from it."""

    status: TaskStatus
    output: str | None = None
    """The whole output as JSON text, when the attempt just ended."""
    output_in_result: bool = False
    start: AttemptSpec | None = None
    """The attempt to be created."""
    extended_seconds: float = 0.0
    """By how much the running attempt has moved its own time limit."""
    end: Patch | None = None
    """The pod of the running attempt, whose time is over."""
    urgent: bool = False
    """Nothing may follow from this step before the status that holds it is stored."""
    look_up: str | None = None
    """Uid of the Job or pod whose Events may say why the attempt does not start."""
    look_again_at: datetime | None = None


@dataclass(frozen=True)
class Evidence:
    """What is observed of an attempt: its Job, the newest pod of that Job, and its report."""

    job: JsonObject | None = None
    pod: JsonObject | None = None
    result: JsonObject | None = None


def advance(
    task: TaskSpec, old: TaskStatus, parents: Mapping[str, Step], scene: TaskContext
) -> Step:
    """Return the task's next step. Parents have taken theirs."""
    if old.state in TERMINAL_STATES:
        return Step(old)
    current = _known_attempt(task, old, scene)
    if current is not None:
        return _follow(task, old, current, scene)
    if old.next_attempt_at is not None or old.reason == REFUSED:
        return _try(task, old, scene)
    return _enter(task, old, parents, scene)


def output_text(step: Step, observed: Observed) -> str | None:
    """Return an ended task's whole output as JSON text; None when it returned nothing.

    Raises:
        KeyError: the TaskResult that holds it is gone, or another has taken its name.
    """
    if step.status.state == "Skipped":
        return SKIPPED_OUTPUT
    if step.output is not None:
        return step.output
    name = step.status.output_ref
    if name is None:
        return step.status.output
    text: str | None = observed.results[name]["spec"].get("output")
    if text is None or output_problem(text):
        raise KeyError(name)
    return text


def _known_attempt(task: TaskSpec, old: TaskStatus, scene: TaskContext) -> AttemptSpec | None:
    """Return the attempt that is under way: as the status has it, or made since and not noted."""
    if old.job:
        return AttemptSpec(scene.run, task, old.attempt, old.job)
    following = _following_attempt(task, old, scene)
    return following if following.name in scene.observed.jobs else None


def _following_attempt(task: TaskSpec, old: TaskStatus, scene: TaskContext) -> AttemptSpec:
    """Return the attempt after those that are noted.

    A number that was used and never noted is left out: its Job was made for another replay of the
    run, or is gone and has left a result.
    """
    following = AttemptSpec(scene.run, task, old.attempt + 1)
    while _is_used_up(following.name, scene):
        following = AttemptSpec(scene.run, task, following.number + 1)
    return following


def _is_used_up(name: str, scene: TaskContext) -> bool:
    if job := scene.observed.jobs.get(name):
        return replay_number(job) != scene.run.asked_replays
    return name in scene.observed.results


def _evidence(attempt: AttemptSpec, observed: Observed) -> Evidence:
    """Return what is observed of an attempt.

    Labels and names are anybody's to choose. So a pod counts only if this attempt's Job controls
    it, and a result only while the Job is there.
    """
    job = observed.jobs.get(attempt.name)
    if job is None or not attempt.is_made_by(job):
        return Evidence()
    pods = [pod for pod in observed.pods.get(attempt.name, ()) if is_controlled_by(pod, job)]
    result = observed.results.get(attempt.name)
    mine = result is not None and attempt.is_reported_in(result)
    return Evidence(job, newest(pods), result if mine else None)


def _enter(
    task: TaskSpec, old: TaskStatus, parents: Mapping[str, Step], scene: TaskContext
) -> Step:
    """The task has not been tried: do its parents and conditions let it?"""
    statuses = {name: step.status for name, step in parents.items()}
    waiting = [name for name, status in statuses.items() if status.state not in TERMINAL_STATES]
    if waiting:
        return Step(_pending(old, "WaitingForParents", f"waits for {', '.join(waiting)}"))
    ends = [status.finished_at for status in statuses.values() if status.finished_at]
    since = max(ends, default=scene.run.metadata.creation_timestamp or scene.now)
    lost = next((each for each in statuses.values() if each.state in ("Failed", "Cancelled")), None)
    if lost is not None:
        message = f"task {lost.name} did not succeed"
        return Step(cancelled(old, f"Parent{lost.state}", message, since))
    if statuses and all(status.state == "Skipped" for status in statuses.values()):
        return Step(skipped(old, "ParentsSkipped", "all its parents were skipped", since))
    if task.wait_for or task.skip_if or task.cancel_if:
        return _weigh(task, old, parents, since, scene)
    return _try(task, old, scene)


def _weigh(
    task: TaskSpec,
    old: TaskStatus,
    parents: Mapping[str, Step],
    since: datetime,
    scene: TaskContext,
) -> Step:
    try:
        outputs = {
            name: json.loads(output_text(step, scene.observed) or "null")
            for name, step in parents.items()
        }
    except KeyError as error:
        return Step(lost_output(old, str(error.args[0]), scene.now))
    situation = ConditionInput(
        since=since,
        run_created=scene.run.metadata.creation_timestamp or since,
        now=scene.now,
        input=scene.run.spec.input,
        outputs=outputs,
        events=scene.events,
        questions=scene.questions,
        met=old.met,
    )
    verdict = evaluate_conditions(task, situation)
    match verdict.decision:
        case "Run":
            return _try(task, old.model_copy(update={"met": verdict.met}), scene)
        case "Skip":
            return Step(skipped(old, "SkipIf", verdict.message, scene.now))
        case "Cancel":
            return Step(cancelled(old, "CancelIf", verdict.message, scene.now))
        case "Fail":
            return Step(failed(old, verdict.reason, verdict.message, scene.now))
        case _:
            met = old.model_copy(update={"met": verdict.met})
            status = _pending(met, "WaitingForConditions", verdict.message)
            return Step(status, look_again_at=verdict.look_again_at)


def lost_output(old: TaskStatus, result: str, now: datetime) -> TaskStatus:
    """Return the end of a task whose parent's output is gone."""
    message = f"the TaskResult {result} that holds a parent's output was deleted"
    return failed(old, "ParentOutputLost", message, now)


def _pending(old: TaskStatus, reason: str, message: str) -> TaskStatus:
    return kept(old, state="Pending", reason=reason, message=bounded(message), met=old.met)


def _try(task: TaskSpec, old: TaskStatus, scene: TaskContext) -> Step:
    """Start the next attempt, once its backoff is over and the API server lets us."""
    if old.next_attempt_at and scene.now < old.next_attempt_at:
        return Step(old, look_again_at=old.next_attempt_at)
    attempt = _following_attempt(task, old, scene)
    if refusal := scene.observed.refusals.get(attempt.name):
        return _refused(task, old, refusal, scene.now)
    queued_at = old.queued_at if old.reason == REFUSED and old.queued_at else scene.now
    status = kept(
        old, state="Queued", attempt=attempt.number, job=attempt.name, queued_at=queued_at
    )
    return Step(status, start=attempt, look_again_at=_schedule_deadline(task, queued_at))


def _refused(task: TaskSpec, old: TaskStatus, refusal: ApiRefusal, now: datetime) -> Step:
    """A quota or a webhook may be free again later; an object that is invalid stays invalid."""
    queued_at = old.queued_at or now
    message = bounded(f"the API server refused the attempt: {refusal.message}")
    waiting = kept(
        old,
        state="Queued",
        reason=REFUSED,
        message=message,
        attempt=old.attempt,
        queued_at=queued_at,
    )
    if refusal.code not in (403, 500):
        return Step(failed(waiting, REFUSED, message, now))
    deadline = _schedule_deadline(task, queued_at)
    if now >= deadline:
        return Step(_schedule_timed_out(task, waiting, message, now))
    return Step(waiting, look_again_at=deadline)


def _follow(task: TaskSpec, old: TaskStatus, attempt: AttemptSpec, scene: TaskContext) -> Step:
    """The attempt exists: judge it."""
    name, now = attempt.name, scene.now
    evidence = _evidence(attempt, scene.observed)
    job, pod, result = evidence.job, evidence.pod, evidence.result
    created = read_time(job["metadata"]["creationTimestamp"]) if job else None
    queued_at = (old.queued_at if old.job else None) or created or now
    current = kept(
        old,
        state="Queued",
        attempt=attempt.number,
        job=name,
        node=node_name(pod) or (old.node if old.job else None),
        queued_at=queued_at,
    )
    has_run = old.job is not None and (old.state == "Running" or old.started_at is not None)
    started = has_run or result is not None or (pod is not None and has_started(pod))
    ended = read_outcome(task, result=result, pod=pod, job=job, now=now, started=started)
    if isinstance(ended, AttemptEnd):
        return _ended(task, current, ended, scene)
    until = ended.until if ended else None
    if not started:
        return _not_started(task, current, evidence, until, scene)
    running = container_state(pod).get("running") if pod else None
    started_at = read_time(running.get("startedAt")) if running else old.started_at
    status = current.model_copy(update={"state": "Running", "started_at": started_at})
    extended: float = result["spec"].get("extendedSeconds", 0.0) if result else 0.0
    step = Step(status, look_again_at=until, extended_seconds=extended)
    return _within_time(task, step, pod, now) if pod else step


def _within_time(task: TaskSpec, step: Step, pod: JsonObject, now: datetime) -> Step:
    """Have the kubelet end the pod of a container task once its time is over."""
    deadline = execution_deadline(task, pod)
    if deadline is None or step.look_again_at:
        return step
    if now < deadline:
        return replace(step, look_again_at=deadline)
    return replace(step, end=end_of_pod(pod, deadline), look_again_at=overdue_at(deadline, pod))


def _not_started(
    task: TaskSpec,
    current: TaskStatus,
    evidence: Evidence,
    until: datetime | None,
    scene: TaskContext,
) -> Step:
    job, pod, now = evidence.job, evidence.pod, scene.now
    uid: str = (pod or job or {"metadata": {}})["metadata"].get("uid", "")
    notes = scene.observed.notes.get(uid, ())
    diagnosis = diagnose(pod, job, current.job or "", notes)
    explained = {"reason": diagnosis.reason, "message": bounded(diagnosis.message)}
    waiting = current.model_copy(update=explained)
    if until is not None:
        return Step(waiting, look_again_at=until)
    due = lookup_due(pod, job, now)
    look_up = uid if due and now >= due else None
    deadline = _schedule_deadline(task, current.queued_at or now)
    if now < deadline:
        again = now + LOOK_UP_AGAIN if look_up else due
        soon = min(deadline, again) if again else deadline
        return Step(waiting, look_up=look_up, look_again_at=soon)
    if pod is None and job is not None and had_a_pod(job):
        return Step(waiting, look_again_at=now + UNSEEN_POD_PAUSE)
    return Step(_schedule_timed_out(task, current, diagnosis.message, now), look_up=look_up)


def _ended(task: TaskSpec, current: TaskStatus, ended: AttemptEnd, scene: TaskContext) -> Step:
    """The attempt is over: so is the task, unless it is tried again."""
    seed = f"{scene.run.metadata.uid}/{task.name}/{current.attempt}"
    again = next_attempt(task, current, ended, seed, scene.now)
    if again is not None:
        status = to_be_tried_again(current, ended, again, scene.now)
        return Step(status, urgent=True, look_again_at=again.at)
    status = over(current, ended, scene.now)
    return Step(status, output=ended.output, output_in_result=ended.output_in_result)


def _schedule_deadline(task: TaskSpec, queued_at: datetime) -> datetime:
    return queued_at + timedelta(seconds=task.schedule_timeout_seconds)


def _schedule_timed_out(task: TaskSpec, current: TaskStatus, why: str, now: datetime) -> TaskStatus:
    limit = f"{task.schedule_timeout_seconds:g}s"
    message = f"did not start within its schedule timeout of {limit}: {why}"
    return cancelled(current, SCHEDULE_TIMED_OUT, message, now)
