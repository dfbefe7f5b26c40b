"""Whether a workflow is paused, and what then becomes of runs that have not started."""

from podhatch.api.model import JsonObject
from podhatch.api.workflow import PausePolicy

WORKFLOW_PAUSED = "WorkflowPaused"
"""A run waits."""
QUEUE_TTL_EXCEEDED = "QueueTTLExceeded"
"""A run has waited too long, and is cancelled."""
DROPPED_WHILE_PAUSED = "DroppedWhilePaused"
"""A tick of a cron makes no run, or a scheduled run is cancelled."""


def pause_of(workflow: JsonObject | None) -> PausePolicy | None:
    """Return the policy of a workflow that is paused; None if it is not, or is not there."""
    if workflow is None or not workflow["spec"].get("paused"):
        return None
    return PausePolicy.model_validate(workflow["spec"].get("pausePolicy") or {})
