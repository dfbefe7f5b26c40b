"""The part of `hatchet.runs` that cancels and replays many runs at once."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack

from podhatch.client.runs import control
from podhatch.client.runs.selection import BulkCancelReplayOpts, RunFilter, RunStatus
from podhatch.definitions.options.keywords import refuse_unknown
from podhatch.definitions.running.references import RunRef
from podhatch.features.client import FeatureClient

RunId = str | RunRef[Any]
"""The name of a run (`workflow_run_id`), or a reference to it."""

ONE_DAY = timedelta(days=1)


class RunFilterOptions(TypedDict, total=False):
    """Which runs are meant. What is None asks for nothing, what is empty lets no run pass."""

    until: datetime | None
    """Created at this time or earlier."""
    statuses: Sequence[RunStatus] | None
    """Where they stand."""
    workflow_ids: Sequence[str] | None
    """Of one of these workflows, by name."""
    additional_metadata: Mapping[str, object] | None
    """With any of these pairs."""


def run_filter(
    since: datetime | None, options: RunFilterOptions, known: type = RunFilterOptions
) -> RunFilter:
    """Return the filter of what a caller says; without `since` it goes back a day.

    Args:
        since: Runs created before are left out.
        options: What was given by keyword.
        known: What may be.

    Raises:
        TypeError: There is no such option, or a time is no datetime.
        ValueError: There is no such status, a list is none, or the metadata is no mapping.
    """
    refuse_unknown("hatchet.runs", options, known)
    return RunFilter(
        datetime.now(UTC) - ONE_DAY if since is None else since,
        options.get("until"),
        options.get("statuses"),
        options.get("workflow_ids"),
        options.get("additional_metadata"),
    )


class BulkRuns(FeatureClient):
    """Changes of many runs, ten at a time. Each method returns the names of the runs."""

    def bulk_cancel(self, opts: BulkCancelReplayOpts) -> list[str]:
        """Cancel the runs as `cancel` does; of those that a filter means, what has not ended.

        Args:
            opts: The runs, by their ids or by what they have in common.

        Returns:
            The ids of these runs.

        Raises:
            RequestRefused: One of the ids is no run's; others may be cancelled by then.
        """
        return self._wait(control.cancel_many, opts.chosen)

    async def aio_bulk_cancel(self, opts: BulkCancelReplayOpts) -> list[str]:
        """Do what `bulk_cancel` does, in an event loop."""
        return await self._aio_wait(control.cancel_many, opts.chosen)

    def bulk_replay(self, opts: BulkCancelReplayOpts) -> list[str]:
        """Let the runs start over as `replay` does.

        Args:
            opts: The runs, by their ids or by what they have in common.

        Returns:
            The ids of these runs.

        Raises:
            RequestRefused: One of the ids is no run's; others may have started over by then.
        """
        return self._wait(control.replay_many, opts.chosen)

    async def aio_bulk_replay(self, opts: BulkCancelReplayOpts) -> list[str]:
        """Do what `bulk_replay` does, in an event loop."""
        return await self._aio_wait(control.replay_many, opts.chosen)

    def bulk_cancel_by_filters_with_pagination(
        self,
        sleep_time: float = 3,
        chunk_size: int = 500,
        since: datetime | None = None,
        **options: Unpack[RunFilterOptions],
    ) -> list[str]:
        """Cancel runs chunk by chunk, with a pause between.

        Args:
            sleep_time: Seconds between two chunks.
            chunk_size: So many runs in each.
            since: Runs created before are left alone; by default a day ago.
            options: See `RunFilterOptions`.

        Raises:
            TypeError: There is no such option, or a time is no datetime.
            ValueError: There is no such status, a list is none, or the metadata is no mapping.
        """
        meant = run_filter(since, options)
        return self._wait(control.cancel_many, meant, chunk_size, sleep_time)

    async def aio_bulk_cancel_by_filters_with_pagination(
        self,
        sleep_time: float = 3,
        chunk_size: int = 500,
        since: datetime | None = None,
        **options: Unpack[RunFilterOptions],
    ) -> list[str]:
        """Do what `bulk_cancel_by_filters_with_pagination` does, in an event loop."""
        meant = run_filter(since, options)
        return await self._aio_wait(control.cancel_many, meant, chunk_size, sleep_time)

    def bulk_replay_by_filters_with_pagination(
        self,
        sleep_time: float = 3,
        chunk_size: int = 500,
        since: datetime | None = None,
        **options: Unpack[RunFilterOptions],
    ) -> list[str]:
        """Let runs start over chunk by chunk, with a pause between.

        Args:
            sleep_time: Seconds between two chunks.
            chunk_size: So many runs in each.
            since: Runs created before are left alone; by default a day ago.
            options: See `RunFilterOptions`.

        Raises:
            TypeError: There is no such option, or a time is no datetime.
            ValueError: There is no such status, a list is none, or the metadata is no mapping.
        """
        meant = run_filter(since, options)
        return self._wait(control.replay_many, meant, chunk_size, sleep_time)

    async def aio_bulk_replay_by_filters_with_pagination(
        self,
        sleep_time: float = 3,
        chunk_size: int = 500,
        since: datetime | None = None,
        **options: Unpack[RunFilterOptions],
    ) -> list[str]:
        """Do what `bulk_replay_by_filters_with_pagination` does, in an event loop."""
        meant = run_filter(since, options)
        return await self._aio_wait(control.replay_many, meant, chunk_size, sleep_time)
