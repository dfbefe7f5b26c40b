"""A run that starts later: what `schedule` takes for a time and returns."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class ScheduledWorkflow:
    """One scheduled run.

    Attributes:
        id: Name of the WorkflowRun object: the run's, and the schedule's.
        trigger_at: When it starts, in UTC.
    """

    id: str
    trigger_at: datetime


@dataclass(frozen=True)
class WorkflowVersion:
    """What `schedule` returns, as the Hatchet SDK does.

    Attributes:
        id: Name of the Workflow object.
        scheduled_workflows: The run, as the only one.
    """

    id: str
    scheduled_workflows: tuple[ScheduledWorkflow, ...]
