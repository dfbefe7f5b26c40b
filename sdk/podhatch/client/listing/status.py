"""What Hatchet calls the phases of runs and the states of tasks. Standard library only."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TypeVar

from podhatch.values.parsing import listed

Status = TypeVar("Status", bound=StrEnum)


class RunStatus(StrEnum):
    """Where a run or a task stands.

    A task that was skipped counts as completed.
    """

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


V1TaskStatus = RunStatus
"""Another name of it."""

PHASES = {
    "Pending": RunStatus.QUEUED,
    "Running": RunStatus.RUNNING,
    "Succeeded": RunStatus.COMPLETED,
    "Failed": RunStatus.FAILED,
    "Cancelled": RunStatus.CANCELLED,
}
"""Of the phases of a run. One that has none yet is queued."""

STATES = {**PHASES, "Queued": RunStatus.QUEUED, "Skipped": RunStatus.COMPLETED}
"""Of the states of a task."""

ENDED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


def checked(kind: type[Status], statuses: Iterable[Status | str]) -> list[Status]:
    """Return the statuses, which may be given by their names.

    Raises:
        ValueError: There is no such status, or they are no list.
    """
    given = listed("statuses", statuses)
    for status in given:
        if status not in kind.__members__:
            raise ValueError(f"statuses: there is no {status!r}; there are {', '.join(kind)}")
    return [kind(status) for status in given]


def phase_selector(statuses: Iterable[RunStatus]) -> str:
    """Return the field selector for runs with one of these statuses.

    It says which phases are not wanted, so that a run without a phase counts as queued.
    """
    wanted = set(statuses)
    return ",".join(
        f"status.phase!={phase}" for phase, status in PHASES.items() if status not in wanted
    )
