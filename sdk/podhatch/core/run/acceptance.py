"""May this run start, and with which content of its workflow? Called by plan_run first.

A run that has started keeps the revision it started with.
"""

from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.refusal import RunRefusal
from podhatch.core.expressions.evaluation import TOO_EXPENSIVE, Questions, json_text
from podhatch.core.expressions.input_check import (
    depth_problem,
    fit_problems,
    metadata_problem,
    payload_problem,
    size_problem,
)
from podhatch.core.pod.pods import controller_uid, read_time
from podhatch.core.run.schedule import schedule_problem
from podhatch.core.run.trigger_report import effective_metadata
from podhatch.core.workflow.revision import (
    Revision,
    current_revision,
    find_revision,
    pinned_revision_name,
)
from podhatch.core.workflow.validate import invalid_reason, workflow_problems

WORKFLOW_GRACE = timedelta(seconds=3)


def has_started(run: WorkflowRun, observed: Observed) -> bool:
    """Whether the run is bound to a revision of its workflow: then nothing keeps it any more."""
    return pinned_revision_name(run, observed.jobs.values()) is not None


def start_problem(run: WorkflowRun, observed: Observed, now: datetime) -> RunRefusal | None:
    """Say what keeps a run from starting, whatever its workflow is: its parent, or its time."""
    return _parent_problem(run, observed.parent_job) or schedule_problem(run, now)


def _parent_problem(run: WorkflowRun, job: JsonObject | None) -> RunRefusal | None:
    """A parent that is gone is no problem; one that is another run's is."""
    parent = run.spec.parent
    if parent is None or job is None:
        return None
    names: dict[str, str] = job["metadata"].get("labels", {})
    if (names.get(labels.RUN), names.get(labels.TASK)) != (parent.run, parent.task):
        return RunRefusal(
            "ParentInvalid",
            f"spec.parent: Job {parent.job!r} is no attempt of task {parent.task!r} of run "
            f"{parent.run!r}",
            end="Failed",
        )
    owners = [each.uid for each in run.metadata.owner_references if each.kind == run.kind]
    if owners and owners != [controller_uid(job)]:
        return RunRefusal(
            "ParentInvalid",
            f"metadata.ownerReferences: the owner is not the run {parent.run!r} of spec.parent",
            end="Failed",
        )
    return None


def workflow_awaited_until(run: WorkflowRun, observed: Observed, now: datetime) -> datetime | None:
    """Return until when the workflow may still be on its way: it comes by a watch of its own."""
    created = run.metadata.creation_timestamp
    if created is None or run.status is not None or not _is_behind(run, observed.workflow):
        return None
    until = created + WORKFLOW_GRACE
    return until if now < until else None


def _is_behind(run: WorkflowRun, workflow: JsonObject | None) -> bool:
    """Whether the workflow is older than the one that the run's creator had applied, or unseen."""
    generation: int = workflow["metadata"]["generation"] if workflow else 0
    if workflow and _is_younger(workflow, run):
        return False
    wanted = run.metadata.annotations.get(labels.WORKFLOW_GENERATION, "")
    return generation < (int(wanted) if wanted.isdecimal() else 1)


def _is_younger(workflow: JsonObject, run: WorkflowRun) -> bool:
    """Whether the workflow was made anew after the run: then it counts its generations anew."""
    made, run_made = read_time(workflow["metadata"].get("creationTimestamp")), run.metadata
    return bool(made and run_made.creation_timestamp and made > run_made.creation_timestamp)


def revision_of(
    run: WorkflowRun, observed: Observed, defaults: Defaults, questions: Questions
) -> Revision | RunRefusal:
    """Return the workflow as this run has started with it, or starts with it now."""
    name = pinned_revision_name(run, observed.jobs.values())
    if name is None:
        return _first_revision(run, observed, defaults, questions)
    return find_revision(name, observed) or RunRefusal(
        "RevisionLost",
        f"the ControllerRevision {name} that pins the workflow of this run was deleted",
        end="Failed",
    )


def _first_revision(
    run: WorkflowRun, observed: Observed, defaults: Defaults, questions: Questions
) -> Revision | RunRefusal:
    if observed.workflow is None:
        return RunRefusal(
            "WorkflowNotFound",
            f"spec.workflow: there is no Workflow {run.spec.workflow!r} in namespace "
            f"{run.metadata.namespace!r}; the run starts when it appears",
        )
    if why := observed.workflow.get(UNREADABLE):
        return RunRefusal("WorkflowInvalid", f"Workflow {run.spec.workflow!r} cannot run: {why}")
    if _is_behind(run, observed.workflow):
        return RunRefusal(
            "WorkflowOutdated",
            f"Workflow {run.spec.workflow!r} is older than the one this run was created for; "
            "the run starts when that one is applied again",
        )
    revision = current_revision(observed.workflow)
    if problems := workflow_problems(revision.spec, questions, defaults.max_cluster_access):
        return RunRefusal(
            invalid_reason(questions),
            f"Workflow {revision.workflow!r} cannot run: {'; '.join(problems)}; "
            "the run starts once it is fixed",
        )
    if problem := depth_problem(run.spec.input):
        return RunRefusal("InputInvalid", problem, end="Failed")
    if problem := size_problem(len(json_text(run.spec.input))):
        return RunRefusal("InputTooLarge", problem, end="Failed")
    if problem := metadata_problem(effective_metadata(run, revision.spec)):
        return RunRefusal("MetadataTooLarge", problem, end="Failed")
    if problem := payload_problem(run):
        return RunRefusal("TriggerTooLarge", problem, end="Failed")
    schema = revision.spec.input_schema
    if schema is not None and (problems := fit_problems(run.spec.input, schema, questions)):
        reason = TOO_EXPENSIVE if questions.met_limit else "InputInvalid"
        return RunRefusal(reason, "; ".join(problems), end="Failed")
    return revision
