"""Schedules, which are runs with a time to start at, under the names of the Hatchet SDK."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.client.listing.rows import Metadata, metadata_of
from podhatch.client.listing.status import RunStatus


class ScheduledRunStatus(StrEnum):
    """Where a schedule stands.

    Attributes:
        SCHEDULED: Its time has not come, or the operator has not taken it up.
    """

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


PHASES = {
    "Running": ScheduledRunStatus.RUNNING,
    "Succeeded": ScheduledRunStatus.SUCCEEDED,
    "Failed": ScheduledRunStatus.FAILED,
    "Cancelled": ScheduledRunStatus.CANCELLED,
}
RUN_STATUSES = {
    ScheduledRunStatus.SCHEDULED: RunStatus.QUEUED,
    ScheduledRunStatus.PENDING: RunStatus.QUEUED,
    ScheduledRunStatus.QUEUED: RunStatus.QUEUED,
    ScheduledRunStatus.RUNNING: RunStatus.RUNNING,
    ScheduledRunStatus.SUCCEEDED: RunStatus.COMPLETED,
    ScheduledRunStatus.FAILED: RunStatus.FAILED,
    ScheduledRunStatus.CANCELLED: RunStatus.CANCELLED,
}


@dataclass(frozen=True)
class ScheduledWorkflows:
    """A schedule.

    Attributes:
        metadata: Its id is the name of the WorkflowRun object, which is there from the start.
        workflow_id: Name of the Workflow object.
        workflow_name: The workflow's name as its author wrote it.
        workflow_version_id: The revision of the workflow that the run uses; None until it starts.
        trigger_at: When the run starts, in UTC.
        start_delay_seconds: How much later than that it did start; None until it does.
        input: Of the run.
        additional_metadata: Of the run.
        priority: 1 to 3 of the run; None leaves it to the workflow.
        workflow_run_id: The same as metadata.id; None until the run starts.
        workflow_run_status: Where it stands.
    """

    metadata: Metadata
    workflow_id: str
    workflow_name: str
    workflow_version_id: str | None
    trigger_at: datetime
    start_delay_seconds: float | None
    input: JsonObject
    additional_metadata: dict[str, str]
    priority: int | None
    workflow_run_id: str | None
    workflow_run_status: ScheduledRunStatus


@dataclass(frozen=True)
class ScheduleError:
    """Why one of many schedules was not changed."""

    id: str
    error: str


@dataclass(frozen=True)
class ScheduledWorkflowsBulkDeleteResponse:
    """What became of schedules that were to be deleted."""

    deleted_ids: list[str]
    errors: list[ScheduleError]


@dataclass(frozen=True)
class ScheduledWorkflowsBulkUpdateResponse:
    """What became of schedules that were to be moved."""

    updated_ids: list[str]
    errors: list[ScheduleError]


def has_started(run: WorkflowRun) -> bool:
    """Tell whether a schedule's run has been let go."""
    return run.status is not None and run.status.started_at is not None


def schedule_status(run: WorkflowRun) -> ScheduledRunStatus:
    """Return where the run of a schedule stands."""
    phase = run.status.phase if run.status else None
    if phase in PHASES:
        return PHASES[phase]
    return ScheduledRunStatus.PENDING if has_started(run) else ScheduledRunStatus.SCHEDULED


def schedule_row(run: WorkflowRun, workflow_name: str) -> ScheduledWorkflows:
    """Return the schedule that a run with a time to start at is."""
    spec, status = run.spec, run.status or WorkflowRunStatus()
    assert spec.start_at, "it is a schedule"
    return ScheduledWorkflows(
        metadata=metadata_of(run),
        workflow_id=spec.workflow,
        workflow_name=workflow_name,
        workflow_version_id=status.revision,
        trigger_at=spec.start_at,
        start_delay_seconds=status.start_delay_seconds,
        input=spec.input,
        additional_metadata=spec.additional_metadata,
        priority=spec.priority,
        workflow_run_id=run.metadata.name if has_started(run) else None,
        workflow_run_status=schedule_status(run),
    )
