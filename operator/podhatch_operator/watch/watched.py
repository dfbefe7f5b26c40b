"""The kinds the operator follows, and which of their objects. Asked by handlers and resync."""

from dataclasses import dataclass

from podhatch.api import labels
from podhatch.cluster import (
    CONTROLLER_REVISION,
    CRON_JOB,
    CRON_WORKFLOW,
    EVENT_FILTER,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Kind,
)

_OURS = f"{labels.MANAGED_BY}={labels.MANAGED_BY_VALUE}"


@dataclass(frozen=True)
class Watched:
    """A kind, and the label selector of those objects that are ours."""

    kind: Kind
    label_selector: str = ""


WATCHED = (
    Watched(WORKFLOW),
    Watched(WORKFLOW_RUN),
    Watched(WORKFLOW_EVENT),
    Watched(EVENT_FILTER),
    Watched(CRON_WORKFLOW),
    Watched(CRON_JOB, _OURS),
    Watched(CONTROLLER_REVISION, _OURS),
    Watched(JOB, _OURS),
    Watched(POD, _OURS),
    Watched(TASK_RESULT),
)
"""Runs before their children, so that children of finished runs are never held whole."""
