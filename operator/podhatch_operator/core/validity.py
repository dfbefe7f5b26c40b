"""Says of an object that users write whether it can do what it is there for: its condition Valid.

Called by the plans of workflows, event filters and crons.
"""

from dataclasses import dataclass
from datetime import datetime

from podhatch.api.model import CheckedStatus, ObjectMeta

from podhatch_operator.core.condition import with_condition

VALID = "Valid"


@dataclass(frozen=True)
class Problem:
    """Why an object is not valid."""

    reason: str
    message: str
    """A sentence that begins with the field, and says what becomes of the object meanwhile."""


def checked_status(
    old: CheckedStatus | None, metadata: ObjectMeta, problem: Problem | None, now: datetime
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
