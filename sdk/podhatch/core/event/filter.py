"""Whether events can pass an EventFilter, as its status says."""

from datetime import datetime

from podhatch.api.event_filter import EventFilter
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import ObservedFilter
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import Refusal
from podhatch.core.common.validity import check_plan
from podhatch.core.expressions.cel import expression_problem
from podhatch.core.expressions.evaluation import TOO_EXPENSIVE, Questions


def plan_filter(observed: ObservedFilter, now: datetime) -> Plan:
    """Return the filter's new status: whether events can pass it."""
    questions = Questions(observed.answers)
    parsed = EventFilter.model_validate(observed.event_filter)
    problem = _problem(parsed, observed.workflow, questions)
    return check_plan(parsed.status, parsed.metadata, problem, questions, now)


def _problem(
    event_filter: EventFilter, workflow: JsonObject | None, questions: Questions
) -> Refusal | None:
    """Say what keeps events from passing, the worst first."""
    spec = event_filter.spec
    if problem := expression_problem(spec.expression, questions, "Filter"):
        reason = TOO_EXPENSIVE if questions.met_limit else "ExpressionInvalid"
        return Refusal(reason, f"spec.expression: {problem}; no event passes it")
    if workflow is None:
        message = (
            f"spec.workflow: there is no Workflow {spec.workflow!r} in namespace "
            f"{event_filter.metadata.namespace!r}; events count once it appears"
        )
        return Refusal("WorkflowNotFound", message)
    if not workflow["spec"].get("onEvents"):
        message = f"spec.workflow: no events start Workflow {spec.workflow!r}: give it onEvents"
        return Refusal("NoEvents", message)
    return None
