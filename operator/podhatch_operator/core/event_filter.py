"""Decide what to say of an EventFilter: can events pass it? Called by the filter reconciler."""

from datetime import datetime

from podhatch.api.event_filter import EventFilter
from podhatch.api.model import JsonObject

from podhatch_operator.core.expr import FILTER, expression_problem
from podhatch_operator.core.validity import Problem, checked_status


def plan_filter(
    event_filter: JsonObject, workflow: JsonObject | None, now: datetime
) -> JsonObject | None:
    """Return the filter's new status, or None when the stored one is right.

    Args:
        event_filter: the EventFilter object.
        workflow: the Workflow it names, if that is there.
        now: the time.
    """
    parsed = EventFilter.model_validate(event_filter)
    status = checked_status(parsed.status, parsed.metadata, _problem(parsed, workflow), now)
    return None if status == parsed.status else status.to_wire()


def _problem(event_filter: EventFilter, workflow: JsonObject | None) -> Problem | None:
    """Say what keeps events from passing, the worst first."""
    spec = event_filter.spec
    if problem := expression_problem(spec.expression, FILTER):
        return Problem("ExpressionInvalid", f"spec.expression: {problem}; no event passes it")
    if workflow is None:
        message = (
            f"spec.workflow: there is no Workflow {spec.workflow!r} in namespace "
            f"{event_filter.metadata.namespace!r}; events count once it appears"
        )
        return Problem("WorkflowNotFound", message)
    if not workflow["spec"].get("onEvents"):
        message = f"spec.workflow: no events start Workflow {spec.workflow!r}: give it onEvents"
        return Problem("NoEvents", message)
    return None
