"""Decide what to say of a Workflow: can runs of it start? Called by the reconciler."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from podhatch.api.model import JsonObject
from podhatch.api.workflow import Workflow, WorkflowSpec

from podhatch_operator.core.cron_declared import cron_problems
from podhatch_operator.core.dag import shape_problems
from podhatch_operator.core.event_key import event_problems
from podhatch_operator.core.input_check import schema_problem
from podhatch_operator.core.observed import Refusal
from podhatch_operator.core.validity import Problem, checked_status

_NO_REFUSALS: Mapping[str, Refusal] = MappingProxyType({})


def workflow_problems(spec: WorkflowSpec) -> list[str]:
    """Say what keeps runs of this workflow from starting, a sentence with its field each."""
    schema = schema_problem(spec.input_schema) if spec.input_schema is not None else None
    return [
        *shape_problems(spec),
        *event_problems(spec),
        *cron_problems(spec),
        *([schema] if schema else []),
    ]


def plan_workflow(
    workflow: JsonObject, now: datetime, refused: Mapping[str, Refusal] = _NO_REFUSALS
) -> JsonObject | None:
    """Return the workflow's new status, or None when the stored one is right.

    Args:
        workflow: as it is now.
        now: the time.
        refused: by schedule, the crons of its onCrons that the API server did not accept.
    """
    parsed = Workflow.model_validate(workflow)
    problem = _problem(parsed.spec, refused)
    status = checked_status(parsed.status, parsed.metadata, problem, now)
    return None if status == parsed.status else status.to_wire()


def _problem(spec: WorkflowSpec, refused: Mapping[str, Refusal]) -> Problem | None:
    if problems := workflow_problems(spec):
        return Problem("WorkflowInvalid", "; ".join(problems))
    refusals = [
        f"onCrons: the CronWorkflow of {schedule!r} was refused, and is tried again: "
        f"{refusal.message}"
        for schedule, refusal in refused.items()
    ]
    return Problem("CronRefused", "; ".join(refusals)) if refusals else None
