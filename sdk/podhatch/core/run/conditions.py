"""What a task's conditions say once its parents have ended: run, skip, cancel, or wait on.

Every condition holds from a moment on, or not yet. The list that is complete first decides; at the
same moment cancelling comes before skipping, and skipping before running.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from podhatch.api.condition import Condition, LeafCondition
from podhatch.api.event import WorkflowEvent
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import EndReason
from podhatch.core.common.waits import complete_at, describe, first_match, next_moment
from podhatch.core.expressions.cel import ExpressionError, Variables
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.workflow.dag import leaves_of

Decision = Literal["Run", "Skip", "Cancel", "Wait", "Fail"]


@dataclass(frozen=True)
class ConditionInput:
    """What conditions are judged by."""

    since: datetime
    """When the last parent ended, or the run was created."""
    run_created: datetime
    now: datetime
    input: Mapping[str, Any]
    outputs: Mapping[str, Any]
    """Outputs of the parents, as JSON values."""
    events: Sequence[WorkflowEvent]
    questions: Questions
    met: Sequence[str] = ()
    """Events that were seen before, by the condition's key; they may have expired since."""


@dataclass(frozen=True)
class ConditionResult:
    """What follows, why, and what to remember."""

    decision: Decision
    message: str = ""
    met: list[str] = field(default_factory=list[str])
    look_again_at: datetime | None = None
    reason: EndReason = "ExpressionFailed"
    """Why the task fails, in one word."""


def evaluate_conditions(task: TaskSpec, situation: ConditionInput) -> ConditionResult:
    """Return what the task's conditions say now."""
    holds_from: dict[str, datetime | None] = {}
    for name, leaf in leaves_of(task):
        try:
            holds_from[leaf.data_key] = _holds_from(leaf, situation)
        except ExpressionError as error:
            return ConditionResult("Fail", f"{name}: {error}", reason=error.reason)

    def ends_at(conditions: Sequence[Condition]) -> datetime | None:
        return complete_at(conditions, holds_from, situation.since)

    lists: list[tuple[Decision, str, Sequence[Condition]]] = [
        ("Cancel", "cancelIf", task.cancel_if),
        ("Skip", "skipIf", task.skip_if),
        ("Run", "", task.wait_for),
    ]
    met = [
        leaf.data_key
        for _, leaf in leaves_of(task)
        if leaf.event is not None and holds_from[leaf.data_key] is not None
    ]
    due = [
        (moment, rank)
        for rank, (decision, _, conditions) in enumerate(lists)
        if (conditions or decision == "Run")
        and (moment := ends_at(conditions)) is not None
        and moment <= situation.now
    ]
    if due:
        decision, name, conditions = lists[min(due)[1]]
        why = "" if decision == "Run" else f"{name} holds: {describe(conditions)}"
        return ConditionResult(decision, why, met)

    def is_open(condition: Condition) -> bool:
        moment = ends_at([condition])
        return moment is None or moment > situation.now

    message = f"waits for {describe([each for each in task.wait_for if is_open(each)])}"
    return ConditionResult("Wait", message, met, next_moment(holds_from.values(), situation.now))


def _holds_from(leaf: LeafCondition, situation: ConditionInput) -> datetime | None:
    """Return the moment from which the condition holds; it may lie ahead."""
    if leaf.sleep_seconds is not None:
        return situation.since + timedelta(seconds=leaf.sleep_seconds)
    if leaf.parent is not None:
        output = situation.outputs.get(leaf.parent.name)
        values = {"input": situation.input, "output": output}
        variables = Variables(values, situation.questions)
        return situation.since if variables.satisfy(leaf.parent.expression) else None
    assert leaf.event is not None
    if leaf.data_key in situation.met:
        return situation.since
    match = first_match(
        leaf.event,
        situation.events,
        situation.since,
        situation.run_created,
        situation.questions,
    )
    return match.moment if match else None
