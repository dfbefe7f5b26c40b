"""Selects runs, in lists and in changes of many. Light: public names live here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from podhatch.client.parameters import bound_in_utc, chosen, in_utc, nothing_passes
from podhatch.values.metadata import metadata_texts
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
        ValueError: A status is unknown, or `statuses` is not a list.
    """
    given = listed("statuses", statuses)
    for status in given:
        if status not in kind.__members__:
            raise ValueError(f"statuses: expected one of {', '.join(kind)}, got {status!r}")
    return [kind(status) for status in given]


def phase_selector(statuses: Iterable[RunStatus]) -> str:
    """Return the field selector for runs with one of these statuses.

    It excludes the other phases, so that a run without a phase counts as queued.
    """
    wanted = set(statuses)
    return ",".join(
        f"status.phase!={phase}" for phase, status in PHASES.items() if status not in wanted
    )


@dataclass(frozen=True)
class RunFilter:
    """Selects runs. None means any; an empty list matches no run.

    Attributes:
        since: Runs created before are left out.
        until: Runs created later are left out.
        statuses: Where they stand.
        workflow_ids: Workflows, by name.
        additional_metadata: A run with any of these pairs will do.

    Raises:
        TypeError: A time is not a datetime.
        ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
    """

    since: datetime
    until: datetime | None = None
    statuses: Sequence[RunStatus] | None = None
    workflow_ids: Sequence[str] | None = None
    additional_metadata: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        """Put times into UTC, and check the rest."""
        object.__setattr__(self, "since", in_utc("since", self.since))
        object.__setattr__(self, "until", bound_in_utc("until", self.until))
        if self.statuses is not None:
            object.__setattr__(self, "statuses", checked(RunStatus, self.statuses))
        object.__setattr__(self, "workflow_ids", chosen("workflow_ids", self.workflow_ids))
        metadata_texts("additional_metadata", self.additional_metadata)

    @property
    def lets_nothing_pass(self) -> bool:
        """Whether one of its lists, or the metadata, is empty."""
        return nothing_passes(self.statuses, self.workflow_ids, self.additional_metadata)


@dataclass(frozen=True)
class RunSearch:
    """Which runs to list, in full.

    Attributes:
        filter: What bulk changes know too.
        worker_id: Node on which the last attempt of one of its tasks ran.
        parent_task_external_id: Id of the task that started them.
        triggering_event_external_id: Id of the event that started them.
    """

    filter: RunFilter
    worker_id: str | None = None
    parent_task_external_id: str | None = None
    triggering_event_external_id: str | None = None


@dataclass(frozen=True)
class BulkCancelReplayOpts:
    """Which runs to cancel or replay: either by their ids, or by what they have in common.

    Attributes:
        ids: Names of the runs.
        filters: What they have in common.
    """

    ids: Sequence[str] | None = None
    filters: RunFilter | None = None

    def __post_init__(self) -> None:
        """Check that exactly one is given.

        Raises:
            ValueError: Neither is given, or both are; or the ids are not a list.
        """
        if (self.ids is None) == (self.filters is None):
            raise ValueError("BulkCancelReplayOpts: give either ids or filters")
        object.__setattr__(self, "ids", chosen("ids", self.ids))

    @property
    def chosen(self) -> Sequence[str] | RunFilter:
        """The one that is given."""
        if self.ids is not None:
            return self.ids
        assert self.filters is not None, "either ids or filters are there"
        return self.filters
