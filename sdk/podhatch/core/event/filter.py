"""Decide what to say of an EventFilter: can events pass it? Called by the filter reconciler."""

from datetime import datetime

from podhatch.api.event_filter import EventFilter
from podhatch.api.model import JsonObject
from podhatch.core.common.refusal import Refusal
from podhatch.core.common.validity import CheckPlan, check_plan
from podhatch.core.expressions.cel import expression_problem
from podhatch.core.expressions.evaluation import NO_ANSWERS, TOO_EXPENSIVE, Answers, Questions


def plan_filter(
    event_filter: JsonObject,
    workflow: JsonObject | None,
    now: datetime,
    answers: Answers = NO_ANSWERS,
) -> CheckPlan:
    """Return the filter's new status.

    Args:
        event_filter: the EventFilter object.
        workflow: the Workflow it names, if that is there.
        now: the time.
        answers: what is known of its expression.
    """
    questions = Questions(answers)
    parsed = EventFilter.model_validate(event_filter)
    problem = _problem(parsed, workflow, questions)
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
