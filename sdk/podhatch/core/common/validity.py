"""The condition Valid of what users write: whether the object can do what it is there for."""

from datetime import datetime

from podhatch.api.model import CheckedStatus, ObjectMeta
from podhatch.core.common.condition import with_condition
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import Refusal
from podhatch.core.expressions.evaluation import Questions

VALID = "Valid"


def check_plan(
    old: CheckedStatus | None,
    metadata: ObjectMeta,
    problem: Refusal | None,
    questions: Questions,
    now: datetime,
) -> Plan:
    """Return the plan of an object that has this problem, if the questions are answered."""
    if questions.missing:
        return Plan(evaluate=questions.missing)
    status = checked_status(old, metadata, problem, now)
    return Plan(status=None if status == old else status.to_wire())


def checked_status(
    old: CheckedStatus | None, metadata: ObjectMeta, problem: Refusal | None, now: datetime
) -> CheckedStatus:
    """Return what there is to say now; the same as before when nothing has changed."""
    return CheckedStatus(
        observed_generation=metadata.generation,
        conditions=with_condition(
            old.conditions if old else [],
            VALID,
            problem.reason if problem else "Checked",
            problem.message if problem else "",
            now,
            metadata.generation,
            status=problem is None,
        ),
    )
