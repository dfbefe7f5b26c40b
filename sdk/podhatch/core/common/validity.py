"""Says of an object that users write whether it can do what it is there for: its condition Valid.

Called by the plans of workflows, event filters and crons.
"""

from dataclasses import dataclass
from datetime import datetime

from podhatch.api.model import CheckedStatus, JsonObject, ObjectMeta
from podhatch.core.common.condition import with_condition
from podhatch.core.common.refusal import Refusal
from podhatch.core.expressions.evaluation import Evaluation, Questions

VALID = "Valid"


@dataclass(frozen=True)
class CheckPlan:
    """What follows from checking an object."""

    status: JsonObject | None = None
    """The whole new status; None when the stored one is right."""
    evaluate: tuple[Evaluation, ...] = ()
    """What has to be evaluated first; then nothing else is planned."""


def check_plan(
    old: CheckedStatus | None,
    metadata: ObjectMeta,
    problem: Refusal | None,
    questions: Questions,
    now: datetime,
) -> CheckPlan:
    """Return the plan of an object that has this problem, if the questions are answered."""
    if questions.missing:
        return CheckPlan(evaluate=questions.missing)
    status = checked_status(old, metadata, problem, now)
    return CheckPlan(None if status == old else status.to_wire())


def checked_status(
    old: CheckedStatus | None, metadata: ObjectMeta, problem: Refusal | None, now: datetime
) -> CheckedStatus:
    """Return what there is to say now; the same as before when nothing has changed."""
    return CheckedStatus(
        observed_generation=metadata.generation,
        conditions=with_condition(
            old.conditions if old else [],
            type=VALID,
            status=problem is None,
            reason=problem.reason if problem else "Checked",
            message=problem.message if problem else "",
            now=now,
            generation=metadata.generation,
        ),
    )
