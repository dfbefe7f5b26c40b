"""The one decision of the operator: from a run and all the cluster holds of it, what to do next.

The reconciler calls it with one snapshot and the time, and carries out what it returns.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from podhatch.api.event import WorkflowEvent
from podhatch.api.model import JsonObject
from podhatch.api.run import TaskStatus, WorkflowRun, WorkflowRunStatus
from podhatch.api.task import TaskSpec
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Create, Patch, Plan, first, job_deadline
from podhatch.core.common.refusal import RunRefusal
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.pod.template import extension_limit
from podhatch.core.run.acceptance import (
    depth_of,
    has_started,
    latest_start,
    revision_of,
    start_refusal,
    workflow_awaited_until,
)
from podhatch.core.run.clean_up import (
    after_the_end,
    given_up_jobs,
    lingering_pods,
    with_late_attempts,
)
from podhatch.core.run.job import AttemptInput, attempt_manifests, backstop_seconds
from podhatch.core.run.progress import Step, TaskContext, advance, lost_output, output_text
from podhatch.core.run.run_requests import (
    is_cancelled,
    replay_due,
    with_cancellation,
    with_replay,
)
from podhatch.core.run.status import accepted_status, cancelled_status, rejected_status
from podhatch.core.run.status_size import with_outputs
from podhatch.core.run.transition import event_manifest, transitions
from podhatch.core.workflow.hooks import as_task, rest_of_failure_task
from podhatch.core.workflow.revision import (
    Revision,
    find_revision,
    pinned_revision,
    pinned_revision_name,
    revision_manifest,
)

EXTENSION_CUT = "ExtensionCut"


def plan_run(observed: Observed, defaults: Defaults, now: datetime) -> Plan:
    """Return what to do for a run: children to make, its new status, and when to look again."""
    questions = Questions(observed.answers)
    plan = _plan(observed, defaults, now, questions)
    return Plan(evaluate=questions.missing) if questions.missing else plan


def _plan(observed: Observed, defaults: Defaults, now: datetime, questions: Questions) -> Plan:
    run = WorkflowRun.model_validate(observed.run)
    if run.metadata.deletion_timestamp:
        return Plan()
    if run.finished and not replay_due(run):
        return _finished(run, observed, defaults, now)
    if is_cancelled(run):
        return _cancelled(run, observed, now)
    if not has_started(run, observed) and (refusal := start_refusal(run, observed, defaults, now)):
        return _rejected(run, refusal, observed, now)
    if until := workflow_awaited_until(run, observed, now):
        return Plan(requeue_at=until)
    revision = revision_of(run, observed, defaults, questions)
    if isinstance(revision, RunRefusal):
        return _rejected(run, revision, observed, now)
    return _Run(run, revision, observed, defaults, now, questions).plan()


def _finished(run: WorkflowRun, observed: Observed, defaults: Defaults, now: datetime) -> Plan:
    assert run.status is not None
    entries = with_late_attempts(run.status.tasks, observed.jobs, now)
    if entries != run.status.tasks:  # stored before a Job goes, or its number would be used again
        status = run.status.model_copy(update={"tasks": entries})
        return Plan(status=status.to_wire(), urgent=True)
    given_up = given_up_jobs(run, observed.jobs, now)
    lingering = lingering_pods(run, observed, now)
    name = pinned_revision_name(run, ())
    revision = find_revision(name, observed) if name else None
    later = after_the_end(
        run.metadata.name, run.status, observed.jobs.keys(), revision, defaults, now
    )
    return Plan(
        (*lingering.writes, *(given_up.writes or later.writes)),
        requeue_at=first(each.requeue_at for each in (given_up, lingering, later)),
    )


def _cancelled(run: WorkflowRun, observed: Observed, now: datetime) -> Plan:
    old = run.status.tasks if run.status else ()
    entries = with_cancellation(old, observed.jobs, now)
    return _conclude(run, cancelled_status(run, entries, now), Plan(), observed, now)


def _rejected(run: WorkflowRun, rejection: RunRefusal, observed: Observed, now: datetime) -> Plan:
    again = rejection.look_again_at
    if again is None and rejection.end is None:
        again = latest_start(run)
    status = rejected_status(run, rejection, now)
    return _conclude(run, status, Plan(requeue_at=again), observed, now)


def _conclude(
    run: WorkflowRun, status: WorkflowRunStatus, plan: Plan, observed: Observed, now: datetime
) -> Plan:
    """Add to a plan the status, if it is a new one, and the events that tell of it."""
    old = run.status
    status = status.model_copy(update={"depth": depth_of(run, observed)})
    if status == old:
        return plan
    events = transitions(old, status)
    return replace(
        plan,
        status=status.to_wire(),
        urgent=plan.urgent
        or status.finished_at is not None
        or any(item.type == "Warning" for item in events),
        events=tuple(event_manifest(run, item, now) for item in events),
    )


@dataclass
class _Run:
    """One pass over the tasks of a run that is under way."""

    run: WorkflowRun
    revision: Revision
    observed: Observed
    defaults: Defaults
    now: datetime
    questions: Questions
    steps: dict[str, Step] = field(default_factory=dict[str, Step])
    create: list[JsonObject] = field(default_factory=list[JsonObject])
    extend: list[Patch] = field(default_factory=list[Patch])

    def plan(self) -> Plan:
        """Take every task's next step, and say what follows."""
        observed, tasks = self.observed, self.revision.order
        if observed.workflow is not None and not pinned_revision(self.revision.name, observed):
            self.create.append(revision_manifest(self.revision, observed.workflow))
        entries = self._entries(tasks)
        scene = TaskContext(self.run, observed, self._events(), self.now, self.questions)
        for task in tasks:
            old = entries.get(task.name) or TaskStatus(name=task.name, state="Pending")
            parents = {name: self.steps[name] for name in task.parents}
            self.steps[task.name] = advance(task, old, parents, scene)
        failure_task = self._judge_failure_task(entries, scene)
        first_node = self._first_node()
        for task in [*tasks, *failure_task]:
            self._take(task, first_node)
        return _conclude(self.run, self._status(), self._writes(), observed, self.now)

    def _events(self) -> tuple[WorkflowEvent, ...]:
        """Return the events that some task of the workflow waits for."""
        keys = self.revision.event_keys
        return tuple(
            WorkflowEvent.model_validate(event)
            for event in self.observed.events
            if event["spec"]["key"] in keys
        )

    def _entries(self, tasks: list[TaskSpec]) -> Mapping[str, TaskStatus]:
        old = {entry.name: entry for entry in self.run.status.tasks} if self.run.status else {}
        if not replay_due(self.run):
            return old
        return with_replay(self.run, old, tasks, self.observed.jobs, self.now)

    def _take(self, task: TaskSpec, first_node: str | None) -> None:
        step = self.steps[task.name]
        if step.start is not None:
            step = self._create(task, step, first_node)
        if step.extended_seconds:
            step = self._extended(task, step)
        self.steps[task.name] = step

    def _create(self, task: TaskSpec, step: Step, first_node: str | None) -> Step:
        assert step.start is not None
        try:
            outputs = {name: output_text(self.steps[name], self.observed) for name in task.parents}
        except KeyError as error:
            return Step(lost_output(step.status, str(error.args[0]), self.now))
        around = AttemptInput(outputs, self._errors(task), first_node)
        self.create.extend(attempt_manifests(step.start, self.revision, self.defaults, around))
        return step

    def _extended(self, task: TaskSpec, step: Step) -> Step:
        """Move the Job's deadline with the time limit that the task has moved, within limits."""
        job = self.observed.jobs[step.status.job or ""]
        limit = extension_limit(task, self.defaults)
        seconds = backstop_seconds(task, min(step.extended_seconds, limit))
        if job["spec"].get("activeDeadlineSeconds", 0) < seconds:
            self.extend.append(job_deadline(job["metadata"]["name"], seconds))
        if step.extended_seconds <= limit:
            return step
        message = (
            f"extended its execution timeout by {step.extended_seconds:g}s, and at most {limit:g}s "
            "are allowed (maxExtensionSeconds of the task, or of the chart): it is stopped then"
        )
        told = {"reason": EXTENSION_CUT, "message": message}
        return replace(step, status=step.status.model_copy(update=told))

    def _judge_failure_task(
        self, entries: Mapping[str, TaskStatus], scene: TaskContext
    ) -> tuple[TaskSpec, ...]:
        hook = self.revision.spec.on_failure_task
        if hook is None:
            return ()
        old = entries.get(hook.name) or TaskStatus(name=hook.name, state="Pending")
        others = [step.status for step in self.steps.values()]
        rest = rest_of_failure_task(old, others, self.now)
        task = as_task(hook)
        if rest is not None and old.job is None:
            self.steps[hook.name] = Step(rest)
        else:
            self.steps[hook.name] = advance(task, old, {}, scene)
        return (task,)

    def _errors(self, task: TaskSpec) -> dict[str, str]:
        """Return the errors of all tasks that failed, for the failure task."""
        hook = self.revision.spec.on_failure_task
        if hook is None or task.name != hook.name:
            return {}
        return {
            name: _error_text(step.status)
            for name, step in self.steps.items()
            if step.status.state == "Failed"
        }

    def _first_node(self) -> str | None:
        """Return the node of the task that started first, for a run that stays there."""
        placed = [
            (step.status.started_at or self.now, step.status.node)
            for step in self.steps.values()
            if step.status.node and step.status.job
        ]
        return min(placed)[1] if placed and self.revision.spec.sticky else None

    def _status(self) -> WorkflowRunStatus:
        names = [task.name for task in self.revision.graph]
        names += [hook.name] if (hook := self.revision.spec.on_failure_task) else []
        stored = self.run.status.tasks if self.run.status else ()
        entries = with_outputs((self.steps[name] for name in names), stored)
        return accepted_status(self.run, self.revision.name, entries, self.now)

    def _writes(self) -> Plan:
        steps = self.steps.values()
        given_up = given_up_jobs(self.run, self.observed.jobs, self.now)
        lingering = lingering_pods(self.run, self.observed, self.now)
        moments = [step.look_again_at for step in steps]
        return Plan(
            writes=(
                *map(Create, self.create),
                *self.extend,
                *(step.end for step in steps if step.end),
                *lingering.writes,
                *given_up.writes,
            ),
            urgent=any(step.urgent for step in steps),
            look_up=tuple(step.look_up for step in steps if step.look_up),
            requeue_at=first([*moments, given_up.requeue_at, lingering.requeue_at]),
        )


def _error_text(entry: TaskStatus) -> str:
    error = entry.error
    if error is None:
        return entry.message or entry.state
    text = f"{error.type}: {error.message}"
    return f"{text}\n{error.traceback}" if error.traceback else text
