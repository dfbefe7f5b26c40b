"""May this run start, when, and with which content of its workflow?

A run that has started keeps the revision it started with. `startAt` counts until the run starts; a
replay asks for the run now, and does not wait for it.

Tasks can start runs, so a run's depth is limited: every status that the operator writes holds it,
one more than the parent's. A task's pod cannot write a status, and an admission policy makes it
name its own run as the parent.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.api.run import MAX_DELAY_SECONDS, WorkflowRun, WorkflowRunStatus, is_over
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.refusal import RunRefusal
from podhatch.core.common.text import whole_number
from podhatch.core.expressions.evaluation import TOO_EXPENSIVE, Questions, json_bytes
from podhatch.core.expressions.input_check import (
    depth_problem,
    fit_problems,
    metadata_problem,
    payload_problem,
    size_problem,
)
from podhatch.core.pod.pods import controller_uid, read_time
from podhatch.core.run.job import effective_metadata
from podhatch.core.workflow.revision import Revision, current_revision
from podhatch.core.workflow.validate import invalid_reason, workflow_problems

WORKFLOW_GRACE = timedelta(seconds=3)


def start_refusal(
    run: WorkflowRun, observed: Observed, defaults: Defaults, now: datetime
) -> RunRefusal | None:
    """Say what keeps a run from starting, whatever its workflow is: parent, time or depth."""
    return (
        _parent_refusal(run, observed.parent_job)
        or _schedule_refusal(run, now)
        or _depth_refusal(run, observed, defaults)
    )


def _parent_refusal(run: WorkflowRun, job: JsonObject | None) -> RunRefusal | None:
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


def has_live_parent(run: WorkflowRun, observed: Observed) -> bool:
    """Whether the run is a child of a run that goes on."""
    if run.spec.parent is None or not observed.ancestors:
        return False
    parent = observed.ancestors[0]
    uid: str = parent["metadata"]["uid"]
    return not is_over(parent) and any(each.uid == uid for each in run.metadata.owner_references)


def workflow_awaited_until(run: WorkflowRun, observed: Observed, now: datetime) -> datetime | None:
    """Return until when the workflow may still be on its way: it comes by a watch of its own."""
    created = run.metadata.creation_timestamp
    if created is None or run.status is not None or not is_behind(run, observed.workflow):
        return None
    until = created + WORKFLOW_GRACE
    return until if now < until else None


def is_behind(run: WorkflowRun, workflow: JsonObject | None) -> bool:
    """Whether the workflow is older than the one that the run's creator had applied, or unseen."""
    generation: int = workflow["metadata"]["generation"] if workflow else 0
    if workflow and _is_younger(workflow, run):
        return False
    wanted = whole_number(run.metadata.annotations.get(labels.WORKFLOW_GENERATION))
    return generation < (1 if wanted is None else wanted)


def _is_younger(workflow: JsonObject, run: WorkflowRun) -> bool:
    """Whether the workflow was made anew after the run: then it counts its generations anew."""
    made, run_made = read_time(workflow["metadata"].get("creationTimestamp")), run.metadata
    return bool(made and run_made.creation_timestamp and made > run_made.creation_timestamp)


def first_revision(
    run: WorkflowRun, observed: Observed, defaults: Defaults, questions: Questions
) -> Revision | RunRefusal:
    """Return the workflow as this run starts with it now."""
    if observed.workflow is None:
        return RunRefusal(
            "WorkflowNotFound",
            f"spec.workflow: there is no Workflow {run.spec.workflow!r} in namespace "
            f"{run.metadata.namespace!r}; the run starts when it appears",
        )
    if why := observed.workflow.get(UNREADABLE):
        return RunRefusal("WorkflowInvalid", f"Workflow {run.spec.workflow!r} cannot run: {why}")
    if is_behind(run, observed.workflow):
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
    if problem := size_problem(len(json_bytes(run.spec.input))):
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


MAX_ANCESTORS = 1000
"""References may form a cycle."""


def ancestors_of(run: JsonObject, find: Callable[[str], JsonObject | None]) -> Iterator[JsonObject]:
    """Yield the runs above a run that are known, the parent first, up to one that has its depth."""
    for _ in range(MAX_ANCESTORS):
        parent: JsonObject | None = run["spec"].get("parent")
        above = find(parent["run"]) if parent else None
        if above is None:
            return
        yield above
        if _stored_depth(above):
            return
        run = above


def depth_of(run: WorkflowRun, observed: Observed) -> int | None:
    """Return how many runs are above this one, or None if there are none."""
    if run.spec.parent is None:
        return None
    if run.status and run.status.depth:
        return run.status.depth
    if not observed.ancestors:
        return 1
    top = observed.ancestors[-1]
    return len(observed.ancestors) + (_stored_depth(top) or ("parent" in top["spec"]))


def _depth_refusal(run: WorkflowRun, observed: Observed, defaults: Defaults) -> RunRefusal | None:
    depth = depth_of(run, observed)
    if depth is None or depth <= defaults.max_depth:
        return None
    return RunRefusal(
        "TooDeep",
        f"spec.parent: {depth} runs are above this one, and at most {defaults.max_depth} are "
        "allowed (chart value maxRunDepth): does a workflow start itself without end?",
        end="Failed",
    )


def _stored_depth(run: JsonObject) -> int:
    depth: int = run.get("status", {}).get("depth", 0)
    return depth


SCHEDULED = "Scheduled"
PROMPT = timedelta(seconds=1)
"""What an operator that is not down may take: no run is late by less."""
LONGEST_WAIT = timedelta(hours=1)
"""The clock may be set while we wait."""


def _schedule_refusal(run: WorkflowRun, now: datetime) -> RunRefusal | None:
    start = run.spec.start_at
    if start is None or run.spec.replay:
        return None
    if now < start:
        return RunRefusal(
            SCHEDULED, f"starts at {in_words(start)}", look_again_at=min(start, now + LONGEST_WAIT)
        )
    latest = latest_start(run)
    if latest is None or now < latest:
        return None
    return RunRefusal(
        "StartDeadlineExceeded",
        f"spec.startAt was {in_words(start)}, and the run could not start within "
        f"{run.spec.starting_deadline_seconds} s of it: create another run, or replay this one",
        end="Cancelled",
    )


def latest_start(run: WorkflowRun) -> datetime | None:
    """Return when it is too late for a scheduled run to start; None if it never is."""
    start, seconds = run.spec.start_at, run.spec.starting_deadline_seconds
    if start is None or seconds is None or run.spec.replay:
        return None
    return start + max(timedelta(seconds=seconds), PROMPT)


def start_moment(run: WorkflowRun, first_task: datetime) -> datetime:
    """Return when the run has started, given when its first task was made.

    Jobs are dated to the second; one that seems to be made in the second before `startAt` was made
    at that time.
    """
    start = run.spec.start_at
    if start and first_task <= start < first_task + PROMPT:
        return start
    return first_task


def start_delay(run: WorkflowRun, started_at: datetime) -> float | None:
    """Return how many seconds late a scheduled run has started; it is noted once."""
    old = run.status or WorkflowRunStatus.model_validate({})
    if old.started_at or run.spec.replay:
        return old.start_delay_seconds
    if run.spec.start_at is None:
        return None
    delay = (started_at - run.spec.start_at).total_seconds()
    return round(min(max(delay, 0.0), MAX_DELAY_SECONDS), 3)


def in_words(moment: datetime) -> str:
    """Return a time for people, to the second."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
