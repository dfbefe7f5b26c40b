"""The one decision of the operator: from a run and all the cluster holds of it, what to do next.

The reconciler calls it with one snapshot and the time, and carries out what it returns.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import TaskStatus, WorkflowRun, WorkflowRunStatus
from podhatch.api.workflow import TaskSpec

from podhatch_operator.core.attempt import Attempt, attempt_manifests
from podhatch_operator.core.dag import topological_order
from podhatch_operator.core.decision import Child, Plan
from podhatch_operator.core.inline import with_outputs
from podhatch_operator.core.input_check import (
    depth_problem,
    fit_problems,
    input_text,
    size_problem,
)
from podhatch_operator.core.observed import Defaults, Observed
from podhatch_operator.core.pods import true_condition
from podhatch_operator.core.progress import SCHEDULE_TIMED_OUT, Step, advance, output_text
from podhatch_operator.core.revision import (
    Revision,
    current_revision,
    find_revision,
    pinned_revision_name,
    revision_manifest,
)
from podhatch_operator.core.summary import accepted_status, rejected_status
from podhatch_operator.core.transition import event_manifest, transitions
from podhatch_operator.core.workflow import workflow_problems

WORKFLOW_GRACE = timedelta(seconds=3)


@dataclass(frozen=True)
class Rejection:
    """Why a run does not start."""

    reason: str
    message: str
    final: bool = False


def plan_run(observed: Observed, defaults: Defaults, now: datetime) -> Plan:
    """Return what to do for a run: children to make, its new status, and when to look again."""
    run = WorkflowRun.model_validate(observed.run)
    if run.metadata.deletion_timestamp:
        return Plan()
    if run.finished:
        return Plan(delete=_abandoned(run.status, observed))
    if until := _workflow_awaited_until(run, observed, now):
        return Plan(requeue_at=until)
    revision = _revision(run, observed)
    if isinstance(revision, Rejection):
        return _rejected(run, revision, now)
    return _accepted(run, revision, observed, defaults, now)


def _workflow_awaited_until(run: WorkflowRun, observed: Observed, now: datetime) -> datetime | None:
    """Return until when the workflow may still be on its way: it comes by a watch of its own."""
    created = run.metadata.creation_timestamp
    if created is None or run.status is not None or not _is_behind(run, observed.workflow):
        return None
    until = created + WORKFLOW_GRACE
    return until if now < until else None


def _is_behind(run: WorkflowRun, workflow: JsonObject | None) -> bool:
    """Whether the workflow is older than the one that the run's creator had applied, or unseen."""
    generation: int = workflow["metadata"]["generation"] if workflow else 0
    wanted = run.metadata.annotations.get(labels.WORKFLOW_GENERATION, "")
    return generation < (int(wanted) if wanted.isdecimal() else 1)


def _revision(run: WorkflowRun, observed: Observed) -> Revision | Rejection:
    """Return the workflow as this run has started with it, or starts with it now."""
    name = pinned_revision_name(run, observed.jobs.values())
    if name is None:
        return _first_revision(run, observed)
    return find_revision(name, observed) or Rejection(
        "RevisionLost",
        f"the ControllerRevision {name} that pins the workflow of this run was deleted",
        final=True,
    )


def _first_revision(run: WorkflowRun, observed: Observed) -> Revision | Rejection:
    if observed.workflow is None:
        return Rejection(
            "WorkflowNotFound",
            f"spec.workflow: there is no Workflow {run.spec.workflow!r} in namespace "
            f"{run.metadata.namespace!r}; the run starts when it appears",
        )
    if _is_behind(run, observed.workflow):
        return Rejection(
            "WorkflowOutdated",
            f"Workflow {run.spec.workflow!r} is older than the one this run was created for; "
            "the run starts when that one is applied again",
        )
    revision = current_revision(observed.workflow)
    if problems := workflow_problems(revision.spec):
        return Rejection(
            "WorkflowInvalid",
            f"Workflow {revision.workflow!r} cannot run: {'; '.join(problems)}; "
            "the run starts when it is mended",
        )
    if problem := depth_problem(run.spec.input):
        return Rejection("InputInvalid", problem, final=True)
    if problem := size_problem(input_text(run.spec.input)):
        return Rejection("InputTooLarge", problem, final=True)
    schema = revision.spec.input_schema
    if schema is not None and (problems := fit_problems(run.spec.input, schema)):
        return Rejection("InputInvalid", "; ".join(problems), final=True)
    return revision


def _rejected(run: WorkflowRun, rejection: Rejection, now: datetime) -> Plan:
    status = rejected_status(
        run, reason=rejection.reason, message=rejection.message, final=rejection.final, now=now
    )
    return _conclude(run, status, (), None, now)


def _accepted(
    run: WorkflowRun, revision: Revision, observed: Observed, defaults: Defaults, now: datetime
) -> Plan:
    steps: dict[str, Step] = {}
    create: list[JsonObject] = []
    if revision.name not in observed.revisions and observed.workflow is not None:
        create.append(revision_manifest(revision, observed.workflow))
    old = {task.name: task for task in run.status.tasks} if run.status else {}
    for task in topological_order(revision.spec.tasks):
        before = old.get(task.name) or TaskStatus(name=task.name, state="Pending")
        attempt = Attempt(run, task, max(before.attempt, 1))
        parents = {name: steps[name].status for name in task.parents}
        step = advance(task, before, attempt, observed, parents, now)
        if step.start:
            step = _create_attempt(step, attempt, revision, defaults, steps, observed, create, now)
        steps[task.name] = step
    tasks = with_outputs(steps[task.name] for task in revision.spec.tasks)
    status = accepted_status(run, revision.name, tasks, now)
    return _conclude(run, status, tuple(create), _earliest(steps.values()), now)


def _create_attempt(
    step: Step,
    attempt: Attempt,
    revision: Revision,
    defaults: Defaults,
    steps: Mapping[str, Step],
    observed: Observed,
    create: list[JsonObject],
    now: datetime,
) -> Step:
    try:
        outputs = {name: _output(steps[name], observed) for name in attempt.task.parents}
    except KeyError as error:
        return _without_parents_output(attempt.task, str(error.args[0]), now)
    create.extend(attempt_manifests(attempt, revision, defaults, outputs))
    return step


def _output(step: Step, observed: Observed) -> str | None:
    return step.output if step.output is not None else output_text(step.status, observed)


def _without_parents_output(task: TaskSpec, result: str, now: datetime) -> Step:
    status = TaskStatus(
        name=task.name,
        state="Failed",
        reason="ParentOutputLost",
        message=f"the TaskResult {result} that holds a parent's output was deleted",
        finished_at=now,
    )
    return Step(status)


def _conclude(
    run: WorkflowRun,
    status: WorkflowRunStatus,
    create: tuple[JsonObject, ...],
    look_again_at: datetime | None,
    now: datetime,
) -> Plan:
    old = run.status
    if old is not None and status.to_wire() == old.to_wire():
        return Plan(create=create, requeue_at=look_again_at)
    events = transitions(old, status)
    return Plan(
        create=create,
        status=status.to_wire(),
        urgent=status.finished_at is not None or any(item.type == "Warning" for item in events),
        events=tuple(event_manifest(run, item, now) for item in events),
        requeue_at=look_again_at,
    )


def _abandoned(status: WorkflowRunStatus | None, observed: Observed) -> tuple[Child, ...]:
    """Return the Jobs that were given up before their code started: nothing else ends them."""
    given_up = [
        task.job
        for task in (status.tasks if status else ())
        if task.reason == SCHEDULE_TIMED_OUT and task.job
    ]
    return tuple(Child("Job", name) for name in given_up if _is_active(observed.jobs.get(name)))


def _is_active(job: JsonObject | None) -> bool:
    if job is None or job["metadata"].get("deletionTimestamp"):
        return False
    return not (true_condition(job, "Failed") or true_condition(job, "Complete"))


def _earliest(steps: Iterable[Step]) -> datetime | None:
    return min((step.look_again_at for step in steps if step.look_again_at), default=None)
