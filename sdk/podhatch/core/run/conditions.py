"""What a task's conditions say once its parents have ended: run, skip, cancel, or wait on.

Every condition holds from a moment on, or not yet. The list that is complete first decides; at the
same moment cancelling comes before skipping, and skipping before running.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from podhatch.api.condition import RUN_START, Condition, EventCondition, LeafCondition
from podhatch.api.event import WorkflowEvent
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import EndReason
from podhatch.core.expressions.cel import ExpressionError, Variables
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.workflow.dag import leaves_of

Decision = Literal["Run", "Skip", "Cancel", "Wait", "Fail"]
CLOCK_GRAIN = timedelta(seconds=1)
"""Kubernetes writes the time of a creation to the second; the event may be younger by so much."""


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
    judged = _Judged(holds_from, situation)
    ends: list[tuple[Decision, datetime | None]] = [
        ("Cancel", judged.complete_at(task.cancel_if) if task.cancel_if else None),
        ("Skip", judged.complete_at(task.skip_if) if task.skip_if else None),
        ("Run", judged.complete_at(task.wait_for)),
    ]
    met = [
        leaf.data_key
        for _, leaf in leaves_of(task)
        if leaf.event is not None and holds_from[leaf.data_key] is not None
    ]
    due = [
        (moment, rank)
        for rank, (_, moment) in enumerate(ends)
        if moment is not None and moment <= situation.now
    ]
    if due:
        decision, _ = ends[min(due)[1]]
        return ConditionResult(decision, _why(decision, task), met)
    open_ones = [each for each in task.wait_for if not judged.holds_now(each)]
    message = f"waits for {_describe(open_ones)}"
    return ConditionResult("Wait", message, met, judged.next_moment())


@dataclass(frozen=True)
class _Judged:
    """From when on each condition holds, by its key; None while that is not known."""

    holds_from: Mapping[str, datetime | None]
    situation: ConditionInput

    def complete_at(self, conditions: Sequence[Condition]) -> datetime | None:
        """Return when the last group was met by its first condition; None if one is open."""
        latest = self.situation.since
        for condition in conditions:
            moments = [self.holds_from[leaf.data_key] for leaf in condition.group]
            known = [moment for moment in moments if moment is not None]
            if not known:
                return None
            latest = max(latest, min(known))
        return latest

    def holds_now(self, condition: Condition) -> bool:
        moment = self.complete_at([condition])
        return moment is not None and moment <= self.situation.now

    def next_moment(self) -> datetime | None:
        """Return when the next condition will hold by itself."""
        ahead = (each for each in self.holds_from.values() if each and each > self.situation.now)
        return min(ahead, default=None)


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
    return _first_event(leaf.event, situation)


def _first_event(wanted: EventCondition, situation: ConditionInput) -> datetime | None:
    since = _counts_from(wanted, situation)
    moments = [
        max(moment, situation.since)
        for event in situation.events
        if (moment := _matches(event, wanted, since, situation.questions)) is not None
    ]
    return min(moments, default=None)


def _counts_from(wanted: EventCondition, situation: ConditionInput) -> datetime:
    if wanted.consider_events_since is None:
        return situation.since
    if wanted.consider_events_since == RUN_START:
        return situation.run_created
    return datetime.fromisoformat(wanted.consider_events_since)


def _matches(
    event: WorkflowEvent, wanted: EventCondition, since: datetime, questions: Questions
) -> datetime | None:
    """Return when the event happened, if it is one that is waited for."""
    spec, created = event.spec, event.metadata.creation_timestamp
    if spec.key != wanted.key or (wanted.scope is not None and spec.scope != wanted.scope):
        return None
    if wanted.from_people and not (spec.pushed_by and spec.pushed_by.is_person):
        return None
    moment = spec.seen_at or (created + CLOCK_GRAIN if created else since)
    if moment < since:
        return None
    if wanted.expression is None:
        return moment
    variables = Variables({"input": spec.payload}, questions)
    return moment if variables.satisfy(wanted.expression) else None


def _why(decision: Decision, task: TaskSpec) -> str:
    if decision == "Run":
        return ""
    field_name, conditions = {
        "Skip": ("skipIf", task.skip_if),
        "Cancel": ("cancelIf", task.cancel_if),
    }[decision]
    return f"{field_name} holds: {_describe(conditions)}"


def _describe(conditions: Sequence[Condition]) -> str:
    groups = [" or ".join(_name(leaf) for leaf in condition.group) for condition in conditions]
    return " and ".join(f"({group})" if " or " in group else group for group in groups)


def _name(leaf: LeafCondition) -> str:
    if leaf.sleep_seconds is not None:
        return f"{leaf.sleep_seconds:g}s to pass"
    if leaf.parent is not None:
        return f"{leaf.parent.expression} of {leaf.parent.name}"
    assert leaf.event is not None
    return f"event {leaf.event.key}{' from people' if leaf.event.from_people else ''}"
