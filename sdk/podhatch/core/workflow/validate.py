"""Whether runs of a Workflow can start, as its status says."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType

from podhatch.api.model import JsonObject, StatusCondition
from podhatch.api.task import CLUSTER_ACCESS, ClusterAccess
from podhatch.api.workflow import Workflow, WorkflowSpec
from podhatch.core.admission.limits import limit_problems
from podhatch.core.common.condition import find_condition
from podhatch.core.common.plan import Plan
from podhatch.core.common.plan_failure import PLAN_FAILED
from podhatch.core.common.refusal import ApiRefusal, Refusal
from podhatch.core.common.validity import VALID, check_plan
from podhatch.core.cron.declared import cron_problems
from podhatch.core.event.key import event_problems
from podhatch.core.expressions.cel import expression_problem
from podhatch.core.expressions.evaluation import NO_ANSWERS, TOO_EXPENSIVE, Answers, Questions
from podhatch.core.expressions.input_check import schema_problem
from podhatch.core.pod.check import is_invalid, pod_problems, refusal_problems
from podhatch.core.rate_limit.claims import rate_limit_problems
from podhatch.core.workflow.dag import shape_problems
from podhatch.core.workflow.hooks import hooks_of

POD_INVALID = "PodInvalid"
_NO_REFUSALS: Mapping[str, ApiRefusal] = MappingProxyType({})


def workflow_problems(
    spec: WorkflowSpec, questions: Questions, max_access: ClusterAccess = "spawn"
) -> list[str]:
    """Say what keeps runs of this workflow from starting, a sentence with its field each."""
    schema = schema_problem(spec.input_schema, questions) if spec.input_schema is not None else None
    return [
        *shape_problems(spec, questions),
        *event_problems(spec, questions),
        *cron_problems(spec),
        *_key_problems(spec, questions),
        *pod_problems(spec),
        *limit_problems(spec, questions),
        *rate_limit_problems(spec, questions),
        *([schema] if schema else []),
        *_access_problems(spec, max_access),
    ]


def _key_problems(spec: WorkflowSpec, questions: Questions) -> list[str]:
    """Say what keeps runs from getting idempotency keys."""
    rule = spec.idempotency
    if rule is None:
        return []
    problem = expression_problem(rule.key_expression, questions, "IdempotencyKey")
    return [f"spec.idempotency.keyExpression: {problem}"] if problem else []


def _access_problems(spec: WorkflowSpec, maximum: ClusterAccess) -> list[str]:
    """Say which tasks ask for more access to the cluster than the chart allows."""
    tasks = [*spec.tasks, *(hook for _, hook in hooks_of(spec))]
    allowed = CLUSTER_ACCESS.index(maximum)
    return [
        f"task {task.name}: clusterAccess: {task.cluster_access} is more than {maximum}, the most "
        "that this cluster allows; ask for less, or have taskDefaults.maxClusterAccess of the "
        "chart raised"
        for task in tasks
        if task.python is not None and CLUSTER_ACCESS.index(task.cluster_access) > allowed
    ]


def invalid_reason(questions: Questions) -> str:
    """Return why a workflow that has problems cannot run, in one word."""
    return TOO_EXPENSIVE if questions.met_limit else "WorkflowInvalid"


def needs_dry_run(workflow: JsonObject, answers: Answers) -> bool:
    """Whether the API server has not been asked yet about the pods of this generation.

    The answers must be those of a plan that has nothing to evaluate.
    """
    parsed = Workflow.model_validate(workflow)
    if workflow_problems(parsed.spec, Questions(answers)):
        return False
    condition = _stored_condition(parsed)
    return condition is None or condition.reason == PLAN_FAILED


def check_workflow(
    workflow: JsonObject,
    now: datetime,
    refused: Mapping[str, ApiRefusal] = _NO_REFUSALS,
    refused_pods: Mapping[str, ApiRefusal] | None = None,
    max_access: ClusterAccess = "spawn",
    answers: Answers = NO_ANSWERS,
) -> Plan:
    """Return the workflow's new status.

    Args:
        workflow: as it is now.
        now: the time.
        refused: by schedule, the crons of its onCrons that the API server did not accept.
        refused_pods: by field, what a dry run of its pods did not accept; None when none was made:
            then the answer for this generation counts that the status holds.
        max_access: the most that its tasks may ask for.
        answers: what is known of its expressions and its schema.
    """
    questions = Questions(answers)
    parsed = Workflow.model_validate(workflow)
    problems = workflow_problems(parsed.spec, questions, max_access)
    problem = (
        Refusal(invalid_reason(questions), "; ".join(problems))
        if problems
        else _cron_problem(refused) or _pod_problem(parsed, refused_pods)
    )
    return check_plan(parsed.status, parsed.metadata, problem, questions, now)


def _cron_problem(refused: Mapping[str, ApiRefusal]) -> Refusal | None:
    refusals = [
        f"spec.onCrons: the CronWorkflow of {schedule!r} was refused, and is tried again: "
        f"{refusal.message}"
        for schedule, refusal in refused.items()
    ]
    return Refusal("CronRefused", "; ".join(refusals)) if refusals else None


def _pod_problem(workflow: Workflow, refused: Mapping[str, ApiRefusal] | None) -> Refusal | None:
    if refused is not None:
        invalid = {place: refusal for place, refusal in refused.items() if is_invalid(refusal)}
        return Refusal(POD_INVALID, "; ".join(refusal_problems(invalid))) if invalid else None
    condition = _stored_condition(workflow)
    if condition is None or condition.reason != POD_INVALID:
        return None
    return Refusal(POD_INVALID, condition.message)


def _stored_condition(workflow: Workflow) -> StatusCondition | None:
    """Return the condition in the status, if it is of this generation."""
    conditions = workflow.status.conditions if workflow.status else []
    condition = find_condition(conditions, VALID)
    current = condition and condition.observed_generation == workflow.metadata.generation
    return condition if current else None
