"""Selects runs, in lists and in changes of many. Light: public names live here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypedDict, TypeVar

from podhatch.client.parameters import bound_in_utc, chosen, in_utc, nothing_passes
from podhatch.values.parsing import listed, metadata_texts

Status = TypeVar("Status", bound=StrEnum)

ONE_DAY = timedelta(days=1)


class RunStatus(StrEnum):
    """Status of a run or a task.

    A skipped task counts as completed.
    """

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    FAILED = "FAILED"


V1TaskStatus = RunStatus
"""The name of the Hatchet SDK."""

PHASES = {
    "Pending": RunStatus.QUEUED,
    "Running": RunStatus.RUNNING,
    "Succeeded": RunStatus.COMPLETED,
    "Failed": RunStatus.FAILED,
    "Cancelled": RunStatus.CANCELLED,
}
"""By the phase of a run. A run without a phase is queued."""

STATES = {
    **PHASES,
    "Queued": RunStatus.QUEUED,
    "Waiting": RunStatus.RUNNING,
    "Skipped": RunStatus.COMPLETED,
}
"""By the state of a task."""

ENDED = frozenset({RunStatus.COMPLETED, RunStatus.FAILED, RunStatus.CANCELLED})


def checked(kind: type[Status], statuses: Iterable[Status | str]) -> list[Status]:
    """Return the statuses, which may be passed by name, or raise ValueError."""
    given = listed("statuses", statuses)
    for status in given:
        if status not in kind.__members__:
            raise ValueError(f"statuses: expected one of {', '.join(kind)}, got {status!r}")
    return [kind(status) for status in given]


def phase_selector(statuses: Iterable[RunStatus]) -> str:
    """Return the field selector for runs with one of these statuses.

    It excludes the other phases, since a field selector joins its requirements with AND only.
    """
    wanted, phases = set(statuses), {**PHASES, "": RunStatus.QUEUED}
    return ",".join(
        f"status.phase!={phase}" for phase, status in phases.items() if status not in wanted
    )


class RunListing(TypedDict, total=False):
    """Selects runs of a workflow. None means any; an empty list matches no run."""

    statuses: Sequence[RunStatus] | None
    """With one of these statuses."""
    additional_metadata: Mapping[str, object] | None
    """With any of these pairs."""
    worker_id: str | None
    """Of which a task ran on this node."""
    parent_task_external_id: str | None
    """Started by this task: its id, `ctx.task_run_id`, or the name of a run of one task."""
    triggering_event_external_id: str | None
    """Started by this event."""


class RunFilterOptions(TypedDict, total=False):
    """Selects runs. None means any; an empty list matches no run."""

    until: datetime | None
    """Created at this time or earlier."""
    statuses: Sequence[RunStatus] | None
    """With one of these statuses."""
    workflow_ids: Sequence[str] | None
    """Of one of these workflows, by name."""
    additional_metadata: Mapping[str, object] | None
    """With any of these pairs."""


class RunListOptions(RunFilterOptions, RunListing, total=False):
    """Selects runs by all of these."""


def recent(since: datetime | None) -> datetime:
    """Return since when runs are listed: by default a day ago."""
    return datetime.now(UTC) - ONE_DAY if since is None else since


@dataclass(frozen=True)
class RunFilter:
    """Selects runs. None means any; an empty list matches no run.

    Raises:
        TypeError: A time is not a datetime.
        ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
    """

    since: datetime
    """Only runs created at this time or later."""
    until: datetime | None = None
    """Only runs created at this time or earlier."""
    statuses: Sequence[RunStatus] | None = None
    """Statuses of runs."""
    workflow_ids: Sequence[str] | None = None
    """Workflows, by name."""
    additional_metadata: Mapping[str, object] | None = None
    """Only runs with any of these pairs."""

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
class RunSearch(RunFilter):
    """Selects runs to list, by more than bulk changes take."""

    worker_id: str | None = None
    """Node on which the last attempt of one of its tasks ran."""
    parent_task_external_id: str | None = None
    """Id of the task that started them."""
    triggering_event_external_id: str | None = None
    """Id of the event that started them."""


@dataclass(frozen=True)
class BulkCancelReplayOpts:
    """Which runs to cancel or replay: by their ids or by a filter."""

    ids: Sequence[str] | None = None
    """Names of the runs."""
    filters: RunFilter | None = None
    """A filter of the runs."""

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
