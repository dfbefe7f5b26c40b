"""Schedules of one namespace: WorkflowRun objects with a time to start at.

Coroutines for the portal, called by the scheduled client.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from podhatch.api.model import JsonObject, format_time
from podhatch.api.names import object_name
from podhatch.api.run import WorkflowRun
from podhatch.client import objects
from podhatch.client.bounded import gathered
from podhatch.client.listing import pages
from podhatch.client.listing.choice import nothing_passes
from podhatch.client.listing.pages import Query, Window
from podhatch.client.listing.rows import Rows
from podhatch.client.listing.status import phase_selector
from podhatch.client.listing.workflow_names import true_name, true_names
from podhatch.client.session import Session, session_of
from podhatch.client.starting import by_name
from podhatch.client.starting.by_name import NamedRun
from podhatch.client.target import Target
from podhatch.client.triggers.schedule_rows import (
    RUN_STATUSES,
    ScheduledRunStatus,
    ScheduledWorkflows,
    ScheduledWorkflowsBulkDeleteResponse,
    ScheduledWorkflowsBulkUpdateResponse,
    ScheduleError,
    has_started,
    schedule_row,
    schedule_status,
)
from podhatch.cluster import WORKFLOW_RUN
from podhatch.errors import PodhatchError, RequestRefused
from podhatch.values.metadata import metadata_texts


@dataclass(frozen=True)
class ScheduleFilters:
    """Which schedules are meant. What is None asks for nothing, what is empty lets none pass."""

    workflow_id: str | None = None
    parent_workflow_run_id: str | None = None
    statuses: Sequence[ScheduledRunStatus] | None = None
    additional_metadata: Mapping[str, object] | None = None

    def selectors(self) -> list[str]:
        """Return what the API server can ask; nothing where nothing can pass."""
        workflow, parent, statuses = self.workflow_id, self.parent_workflow_run_id, self.statuses
        if nothing_passes(workflow, parent, statuses, self.additional_metadata):
            return []
        parts = (
            f"spec.workflow={object_name(workflow)}" if workflow else "",
            f"spec.parent.run={parent}" if parent else "",
            phase_selector(RUN_STATUSES[each] for each in statuses) if statuses else "",
        )
        return [",".join(filter(None, parts))]

    def keep(self, run: WorkflowRun) -> bool:
        """Tell whether the run is a schedule, and one of them."""
        if run.spec.start_at is None:
            return False
        meant = self.statuses or list(ScheduledRunStatus)
        wanted = metadata_texts("additional_metadata", self.additional_metadata).items()
        return schedule_status(run) in meant and wanted <= run.spec.additional_metadata.items()

    def query(self) -> Query[WorkflowRun]:
        """Return how to list them."""
        return Query(WORKFLOW_RUN, WorkflowRun, self.selectors(), self.keep)


async def create(target: Target, asked: NamedRun) -> ScheduledWorkflows:
    """Create a run that starts later."""
    return schedule_row(await by_name.create(target, asked), asked.workflow_name)


async def get(target: Target, name: str) -> ScheduledWorkflows:
    """Return the schedule.

    Raises:
        RequestRefused: There is none, or the run is no schedule.
    """
    session = await session_of(target)
    run = await _read(session, name)
    return schedule_row(run, await true_name(session, run.spec.workflow))


async def find(
    target: Target, window: Window, filters: ScheduleFilters
) -> Rows[ScheduledWorkflows]:
    """Return schedules."""
    session = await session_of(target)
    found, page = await pages.find(session, filters.query(), window)
    names = await true_names(session, (run.spec.workflow for run in found))
    return Rows([schedule_row(run, names[run.spec.workflow]) for run in found], page)


async def update(target: Target, name: str, trigger_at: datetime) -> ScheduledWorkflows:
    """Let the run start at another time.

    Raises:
        RequestRefused: It has started already, or ended without.
    """
    session = await session_of(target)

    async def move() -> JsonObject:
        run = await _waiting(session, name, "moved")
        body: JsonObject = {
            "metadata": {"resourceVersion": run.metadata.resource_version},
            "spec": {"startAt": format_time(trigger_at)},
        }
        return await session.cluster.merge_patch(WORKFLOW_RUN, session.namespace, name, body)

    moved = await objects.insist(session, WORKFLOW_RUN, name, move)
    run = WorkflowRun.model_validate(moved)
    return schedule_row(run, await true_name(session, run.spec.workflow))


async def delete(target: Target, name: str) -> None:
    """Delete the run before it starts.

    Raises:
        RequestRefused: It has started already.
    """
    session = await session_of(target)

    async def remove() -> None:
        run = await _waiting(session, name, "deleted")
        version = run.metadata.resource_version
        await session.cluster.delete(
            WORKFLOW_RUN, session.namespace, name, resource_version=version
        )

    await objects.insist(session, WORKFLOW_RUN, name, remove)


async def delete_all(target: Target, names: Sequence[str]) -> ScheduledWorkflowsBulkDeleteResponse:
    """Delete many, ten at a time."""
    errors = await gathered(_error(name, delete(target, name)) for name in names)
    return ScheduledWorkflowsBulkDeleteResponse(*_parted(names, errors))


async def delete_matching(
    target: Target, filters: ScheduleFilters
) -> ScheduledWorkflowsBulkDeleteResponse:
    """Delete those that have not started of what the filters mean."""
    session = await session_of(target)
    names = [
        run.metadata.name
        async for run in pages.find_all(session, filters.query())
        if not has_started(run)
    ]
    return await delete_all(target, names)


async def update_all(
    target: Target, updates: Sequence[tuple[str, datetime]]
) -> ScheduledWorkflowsBulkUpdateResponse:
    """Move many, ten at a time."""
    errors = await gathered(_error(name, update(target, name, to)) for name, to in updates)
    return ScheduledWorkflowsBulkUpdateResponse(*_parted([name for name, _ in updates], errors))


async def _read(session: Session, name: str) -> WorkflowRun:
    run = await objects.read(session, WORKFLOW_RUN, WorkflowRun, name)
    if run.spec.start_at is None:
        raise RequestRefused(
            f"WorkflowRun {name!r} in namespace {session.namespace!r} is no schedule: it has no "
            "startAt"
        )
    return run


async def _waiting(session: Session, name: str, what: str) -> WorkflowRun:
    """Return the schedule if its run has not started.

    Raises:
        RequestRefused: It has; the text says that it cannot be `what`.
    """
    run = await _read(session, name)
    if has_started(run) or run.finished:
        hint = "" if run.finished else "; cancel it with runs.cancel"
        raise RequestRefused(
            f"schedule {name!r} in namespace {session.namespace!r} cannot be {what} any more: its "
            f"run is {schedule_status(run)}{hint}"
        )
    return run


async def _error(name: str, act: Awaitable[object]) -> ScheduleError | None:
    try:
        await act
    except PodhatchError as error:
        return ScheduleError(name, str(error))
    return None


def _parted(
    names: Sequence[str], errors: Sequence[ScheduleError | None]
) -> tuple[list[str], list[ScheduleError]]:
    """Return the names without an error, and the errors."""
    done = [name for name, error in zip(names, errors, strict=True) if error is None]
    return done, [error for error in errors if error is not None]
