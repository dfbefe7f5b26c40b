"""Which runs are meant, in lists and in changes of many. Standard library only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from podhatch.client.listing.status import RunStatus, checked
from podhatch.client.triggers.moments import in_utc


@dataclass(frozen=True)
class RunFilter:
    """Which runs are meant. What is None asks for nothing.

    Attributes:
        since: Runs created before are left out.
        until: Runs created later are left out.
        statuses: Where they stand.
        workflow_ids: Workflows, by name.
        additional_metadata: A run with any of these pairs will do.

    Raises:
        ValueError: There is no such status.
    """

    since: datetime
    until: datetime | None = None
    statuses: Sequence[RunStatus] | None = None
    workflow_ids: Sequence[str] | None = None
    additional_metadata: Mapping[str, object] | None = None

    def __post_init__(self) -> None:
        """Put times into UTC, and check the statuses."""
        object.__setattr__(self, "since", in_utc(self.since))
        object.__setattr__(self, "until", self.until and in_utc(self.until))
        if self.statuses is not None:
            object.__setattr__(self, "statuses", checked(RunStatus, self.statuses))


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
        """Check that one of both is there.

        Raises:
            ValueError: None is, or both are.
        """
        if bool(self.ids) == (self.filters is not None):
            raise ValueError("BulkCancelReplayOpts: give either ids or filters")
