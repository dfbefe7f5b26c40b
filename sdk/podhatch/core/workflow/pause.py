"""Whether a workflow is paused, and what then becomes of runs that have not started."""

from podhatch.api.model import JsonObject
from podhatch.api.run import has_ended
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


def waits_for_unpause(run: JsonObject) -> bool:
    """Return whether a run waits because its workflow is paused, as its status says."""
    conditions: list[JsonObject] = run.get("status", {}).get("conditions", [])
    return not has_ended(run) and any(each.get("reason") == WORKFLOW_PAUSED for each in conditions)
