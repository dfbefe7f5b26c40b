"""Decide what to say of a Workflow: can runs of it start? Called by the reconciler."""

from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.api.workflow import Workflow, WorkflowSpec

from podhatch_operator.core.cron_declared import cron_problems
from podhatch_operator.core.dag import shape_problems
from podhatch_operator.core.event_key import event_problems
from podhatch_operator.core.input_check import schema_problem
from podhatch_operator.core.validity import Problem, checked_status


def workflow_problems(spec: WorkflowSpec) -> list[str]:
    """Say what keeps runs of this workflow from starting, a sentence with its field each."""
    schema = schema_problem(spec.input_schema) if spec.input_schema is not None else None
    return [
        *shape_problems(spec),
        *event_problems(spec),
        *cron_problems(spec),
        *([schema] if schema else []),
    ]


def plan_workflow(workflow: JsonObject, now: datetime) -> JsonObject | None:
    """Return the workflow's new status, or None when the stored one is right."""
    parsed = Workflow.model_validate(workflow)
    problems = workflow_problems(parsed.spec)
    problem = Problem("WorkflowInvalid", "; ".join(problems)) if problems else None
    status = checked_status(parsed.status, parsed.metadata, problem, now)
    return None if status == parsed.status else status.to_wire()
