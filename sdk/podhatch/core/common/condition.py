"""Conditions as Kubernetes has them: one entry a type, with the time of its last change."""

from collections.abc import Sequence
from datetime import datetime

from podhatch.api.model import StatusCondition

MAX_MESSAGE = 4096


def with_condition(
    conditions: Sequence[StatusCondition],
    type: str,
    reason: str,
    message: str,
    now: datetime,
    generation: int,
    *,
    status: bool = True,
) -> list[StatusCondition]:
    """Return the conditions with this one set; its transition time moves only with its status."""
    value = "True" if status else "False"
    old = find_condition(conditions, type)
    changed = old is None or old.status != value
    new = StatusCondition(
        type=type,
        status=value,
        reason=reason,
        message=message[:MAX_MESSAGE],
        last_transition_time=now if old is None or changed else old.last_transition_time,
        observed_generation=generation,
    )
    if old is None:
        return [*conditions, new]
    return [new if condition.type == type else condition for condition in conditions]


def find_condition(conditions: Sequence[StatusCondition], type: str) -> StatusCondition | None:
    """Return the condition of this type, if there is one."""
    return next((condition for condition in conditions if condition.type == type), None)
