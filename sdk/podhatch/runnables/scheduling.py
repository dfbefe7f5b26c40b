"""A run that starts later: what `schedule` takes for a time and returns."""

import warnings
from dataclasses import dataclass
from datetime import UTC, datetime


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


def in_utc(moment: datetime) -> datetime:
    """Return the moment in UTC; one without a time zone is taken to be there, with a warning."""
    if moment.tzinfo is None:
        warnings.warn(
            f"{moment} has no time zone and is taken as UTC: pass a datetime with tzinfo",
            stacklevel=4,
        )
        return moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)
