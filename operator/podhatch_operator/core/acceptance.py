"""May this run start, and with which content of its workflow? Called by plan_run first.

A run that has started keeps the revision it started with.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun

from podhatch_operator.core.input_check import (
    depth_problem,
    fit_problems,
    input_text,
    size_problem,
)
from podhatch_operator.core.observed import Observed
from podhatch_operator.core.revision import (
    Revision,
    current_revision,
    find_revision,
    pinned_revision_name,
)
from podhatch_operator.core.workflow import workflow_problems

WORKFLOW_GRACE = timedelta(seconds=3)


@dataclass(frozen=True)
class Rejection:
    """Why a run does not start."""

    reason: str
    message: str
    final: bool = False


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
    wanted = run.metadata.annotations.get(labels.WORKFLOW_GENERATION, "")
    return generation < (int(wanted) if wanted.isdecimal() else 1)


def revision_of(run: WorkflowRun, observed: Observed) -> Revision | Rejection:
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
