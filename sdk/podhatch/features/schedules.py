"""`hatchet.scheduled`: runs of one namespace that start later."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict, Unpack

from podhatch.client import schedules
from podhatch.client.paging import Rows, Window
from podhatch.client.parameters import in_utc
from podhatch.client.schedules import (
    ScheduledRunStatus,
    ScheduledWorkflows,
    ScheduledWorkflowsBulkDeleteResponse,
    ScheduledWorkflowsBulkUpdateResponse,
    ScheduleFilters,
)
from podhatch.client.twins import async_twin, blocking
from podhatch.features.base import FeatureClient
from podhatch.values.input import Payload
from podhatch.values.parsing import listed, refuse_unknown


class ScheduleFilterOptions(TypedDict, total=False):
    """Selects schedules. None means any; an empty list matches none."""

    workflow_id: str | None
    """Of a workflow, by its name or that of its object."""
    parent_workflow_run_id: str | None
    """Created by a task of this run."""
    statuses: Sequence[ScheduledRunStatus] | None
    """With one of these statuses."""
    additional_metadata: Mapping[str, object] | None
    """With all of these pairs."""


class ScheduledClient(FeatureClient):
    """Schedules of one namespace. Each is named by its id, which is the name of its run."""

    @blocking
    async def create(
        self,
        workflow_name: str,
        trigger_at: datetime,
        input: Payload,
        additional_metadata: Mapping[str, object] | None = None,
        priority: int | None = None,
    ) -> ScheduledWorkflows:
        """Create a run that starts later, of a workflow that the cluster holds.

        It starts although nothing of yours runs then. If the operator is away at that time, it
        starts when the operator is back.

        Args:
            workflow_name: The workflow's name.
            trigger_at: When; a time without a time zone is read as UTC, with a warning.
            input: Checked by the operator, not here.
            additional_metadata: Texts that travel with the run to every task.
            priority: 1 (low) to 3 (high); None for the workflow's.

        Raises:
            IdempotencyCollisionError: Another run holds the idempotency key; nothing was created.
            InvalidRun: A field is invalid; the text names it.
            RequestRefused: There is no such workflow.
            TypeError: `trigger_at` is not a datetime.
        """
        start_at = in_utc("trigger_at", trigger_at)
        return await self._ask(
            schedules.create, workflow_name, input, additional_metadata, priority, start_at
        )

    aio_create = async_twin(create)

    @blocking
    async def get(self, scheduled_id: str) -> ScheduledWorkflows:
        """Return the schedule, also after its run has started.

        Args:
            scheduled_id: Its id, the name of the WorkflowRun object.
        """
        return await self._ask(schedules.get, scheduled_id)

    aio_get = async_twin(get)

    @blocking
    async def list(
        self,
        offset: int | None = None,
        limit: int | None = None,
        **options: Unpack[ScheduleFilterOptions],
    ) -> Rows[ScheduledWorkflows]:
        """Return schedules, also those whose runs have started.

        Args:
            offset: Number of items to skip.
            limit: Maximum number of items; 100 by default.
            options: See `ScheduleFilterOptions`.

        Raises:
            TypeError: An option is unknown.
            ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
        """
        return await self._ask(schedules.find, Window.of(offset, limit), _filters(options))

    aio_list = async_twin(list)

    @blocking
    async def update(self, scheduled_id: str, trigger_at: datetime) -> ScheduledWorkflows:
        """Change the time at which the run starts.

        Args:
            scheduled_id: Its id, the name of the WorkflowRun object.
            trigger_at: When; without a zone it is UTC, with a warning. A time that is past: now.

        Returns:
            The schedule as it is now.

        Raises:
            RequestRefused: It has started already.
        """
        return await self._ask(schedules.update, scheduled_id, in_utc("trigger_at", trigger_at))

    aio_update = async_twin(update)

    @blocking
    async def delete(self, scheduled_id: str) -> None:
        """Delete the schedule before its run starts.

        Args:
            scheduled_id: Its id, the name of the WorkflowRun object.

        Raises:
            RequestRefused: It has started already.
        """
        await self._ask(schedules.delete, scheduled_id)

    aio_delete = async_twin(delete)

    @blocking
    async def bulk_delete(
        self,
        *,
        scheduled_ids: Sequence[str] | None = None,
        **options: Unpack[ScheduleFilterOptions],
    ) -> ScheduledWorkflowsBulkDeleteResponse:
        """Delete schedules by their ids, or those that match the options and have not started.

        Args:
            scheduled_ids: Their ids.
            options: See `ScheduleFilterOptions`.

        Returns:
            The ids of those deleted, and why others were not.

        Raises:
            TypeError: An option is unknown.
            ValueError: Neither ids nor options are given, or both; or an option is invalid.
        """
        filters = _filters(options)
        by_filter = any(value is not None for value in options.values())
        if (scheduled_ids is not None) == by_filter:
            raise ValueError("bulk_delete: give either scheduled_ids or filters")
        if scheduled_ids is not None:
            return await self._ask(schedules.delete_all, listed("scheduled_ids", scheduled_ids))
        return await self._ask(schedules.delete_matching, filters)

    aio_bulk_delete = async_twin(bulk_delete)

    @blocking
    async def bulk_update(
        self, updates: Sequence[tuple[str, datetime]]
    ) -> ScheduledWorkflowsBulkUpdateResponse:
        """Change the times at which runs start.

        Args:
            updates: Ids and times.

        Returns:
            The ids of those moved, and why others were not.
        """
        moved = [
            (name, in_utc(f"schedule {name!r}: trigger_at", moment)) for name, moment in updates
        ]
        return await self._ask(schedules.update_all, moved)

    aio_bulk_update = async_twin(bulk_update)


def _filters(options: ScheduleFilterOptions) -> ScheduleFilters:
    refuse_unknown("hatchet.scheduled", options, ScheduleFilterOptions)
    return ScheduleFilters(**options)
