"""`hatchet.scheduled`: WorkflowRun objects with a time to start at."""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict, Unpack

from podhatch.api.model import JsonObject, format_time
from podhatch.api.names import object_name
from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.client import objects, paging
from podhatch.client.feature import FeatureClient
from podhatch.client.objects import gathered
from podhatch.client.paging import Metadata, Query, Rows, Window, metadata_of
from podhatch.client.parameters import in_utc, nothing_passes
from podhatch.client.runs.execution import create_named, named_request
from podhatch.client.runs.references import referring
from podhatch.client.runs.request import RunRequest
from podhatch.client.runs.selection import PHASES, RunStatus, checked, phase_selector
from podhatch.client.session import Session
from podhatch.client.twins import async_twin, blocking
from podhatch.client.workflows import named_row, named_rows
from podhatch.cluster import WORKFLOW_RUN
from podhatch.errors import PodhatchError, RequestRefused
from podhatch.values.input import Payload
from podhatch.values.parsing import listed, metadata_texts, refuse_unknown


class ScheduledRunStatus(StrEnum):
    """Status of a schedule.

    Attributes:
        SCHEDULED: Its time has not come, or the operator has not accepted it.
    """

    SCHEDULED = "SCHEDULED"
    PENDING = "PENDING"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"


RUN_STATUSES = {each: PHASES.get(each.title(), RunStatus.QUEUED) for each in ScheduledRunStatus}


@dataclass(frozen=True)
class ScheduledWorkflows:
    """A schedule."""

    metadata: Metadata
    """Its id is the name of the WorkflowRun object, which exists from the start."""
    workflow_id: str
    """Name of the Workflow object."""
    workflow_name: str
    """The workflow's name as its author wrote it."""
    workflow_version_id: str | None
    """The revision of the workflow that the run uses; None until it starts."""
    trigger_at: datetime
    """When the run starts, in UTC."""
    start_delay_seconds: float | None
    """How much later it started; None until then."""
    input: JsonObject
    """Of the run."""
    additional_metadata: dict[str, str]
    """Of the run."""
    priority: int | None
    """1 to 3 of the run; None for the workflow's."""
    workflow_run_id: str | None
    """The same as metadata.id; None until the run starts."""
    workflow_run_status: ScheduledRunStatus
    """Its status."""


@dataclass(frozen=True)
class ScheduleError:
    """Why one of many schedules was not changed."""

    id: str
    error: str


@dataclass(frozen=True)
class ScheduledWorkflowsBulkDeleteResponse:
    """The result of deleting schedules."""

    deleted_ids: list[str]
    errors: list[ScheduleError]


@dataclass(frozen=True)
class ScheduledWorkflowsBulkUpdateResponse:
    """The result of moving schedules."""

    updated_ids: list[str]
    errors: list[ScheduleError]


def has_started(run: WorkflowRun) -> bool:
    """Return whether a schedule's run has started."""
    return run.status is not None and run.status.started_at is not None


def _status(run: WorkflowRun) -> ScheduledRunStatus:
    phase = run.status.phase if run.status else None
    if phase is not None and phase != "Pending":
        return ScheduledRunStatus(phase.upper())
    return ScheduledRunStatus.PENDING if has_started(run) else ScheduledRunStatus.SCHEDULED


def _row(run: WorkflowRun, workflow_name: str) -> ScheduledWorkflows:
    spec, status = run.spec, run.status or WorkflowRunStatus()
    assert spec.start_at, "it is a schedule"
    return ScheduledWorkflows(
        metadata=metadata_of(run),
        workflow_id=spec.workflow,
        workflow_name=workflow_name,
        workflow_version_id=status.revision,
        trigger_at=spec.start_at,
        start_delay_seconds=status.start_delay_seconds,
        input=spec.input,
        additional_metadata=spec.additional_metadata,
        priority=spec.priority,
        workflow_run_id=run.metadata.name if has_started(run) else None,
        workflow_run_status=_status(run),
    )


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


def _query(options: ScheduleFilterOptions) -> Query[WorkflowRun]:
    """Return the query for schedules."""
    refuse_unknown("hatchet.scheduled", options, ScheduleFilterOptions)
    workflow, parent = options.get("workflow_id"), options.get("parent_workflow_run_id")
    given, metadata = options.get("statuses"), options.get("additional_metadata")
    statuses = None if given is None else checked(ScheduledRunStatus, given)
    wanted = metadata_texts("additional_metadata", metadata).items()

    def keep(run: WorkflowRun) -> bool:
        return (
            run.spec.start_at is not None
            and (statuses is None or _status(run) in statuses)
            and wanted <= run.spec.additional_metadata.items()
        )

    parts = (
        f"spec.workflow={object_name(workflow)}" if workflow else "",
        f"spec.parent.run={parent}" if parent else "",
        phase_selector(RUN_STATUSES[each] for each in statuses) if statuses else "",
    )
    nothing = nothing_passes(workflow, parent, statuses, metadata)
    return Query(WorkflowRun, [] if nothing else [",".join(filter(None, parts))], keep)


async def create(session: Session, workflow_name: str, request: RunRequest) -> ScheduledWorkflows:
    """Create a run that starts later."""
    return _row(await create_named(session, request), workflow_name)


async def _get(session: Session, name: str) -> ScheduledWorkflows:
    return await named_row(session, await _read(session, name), _row)


async def _update(session: Session, name: str, trigger_at: datetime) -> ScheduledWorkflows:
    """Change the time at which the run starts; it must not have started."""

    async def move() -> JsonObject:
        run = await _waiting(session, name, "moved")
        body: JsonObject = {
            "metadata": {"resourceVersion": run.metadata.resource_version},
            "spec": {"startAt": format_time(trigger_at)},
        }
        return await session.cluster.merge_patch(WORKFLOW_RUN, session.namespace, name, body)

    moved = await session.retry_on_conflict(WORKFLOW_RUN, name, move)
    return await named_row(session, WorkflowRun.model_validate(moved), _row)


async def delete(session: Session, name: str) -> None:
    """Delete the run; it must not have started."""

    async def remove() -> None:
        run = await _waiting(session, name, "deleted")
        version = run.metadata.resource_version
        await session.cluster.delete(
            WORKFLOW_RUN, session.namespace, name, resource_version=version
        )

    await session.retry_on_conflict(WORKFLOW_RUN, name, remove)


async def _delete_all(
    session: Session, names: Sequence[str]
) -> ScheduledWorkflowsBulkDeleteResponse:
    errors = await gathered(_error(name, delete(session, name)) for name in names)
    return ScheduledWorkflowsBulkDeleteResponse(*_parted(names, errors))


async def _delete_matching(
    session: Session, query: Query[WorkflowRun]
) -> ScheduledWorkflowsBulkDeleteResponse:
    """Delete the schedules that match and have not started."""
    found = paging.find_all(session, query)
    names = [run.metadata.name async for run in found if not has_started(run)]
    return await _delete_all(session, names)


async def _update_all(
    session: Session, updates: Sequence[tuple[str, datetime]]
) -> ScheduledWorkflowsBulkUpdateResponse:
    errors = await gathered(_error(name, _update(session, name, to)) for name, to in updates)
    return ScheduledWorkflowsBulkUpdateResponse(*_parted([name for name, _ in updates], errors))


async def _read(session: Session, name: str) -> WorkflowRun:
    run = await objects.read(session, WorkflowRun, name)
    if run.spec.start_at is None:
        raise RequestRefused(
            f"WorkflowRun {name!r} in namespace {session.namespace!r} is not a schedule: it has no "
            "startAt"
        )
    return run


async def _waiting(session: Session, name: str, what: str) -> WorkflowRun:
    """Return the schedule; refuse one whose run has started, which cannot be `what` any more."""
    run = await _read(session, name)
    if has_started(run) or run.finished:
        hint = "" if run.finished else "; cancel it with runs.cancel"
        raise RequestRefused(
            f"schedule {name!r} in namespace {session.namespace!r} cannot be {what} any more: its "
            f"run is {_status(run)}{hint}"
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
        request = named_request(workflow_name, input, additional_metadata, priority, start_at)
        with referring(self._target):
            return await self._ask(create, workflow_name, request)

    aio_create = async_twin(create)

    @blocking
    async def get(self, scheduled_id: str) -> ScheduledWorkflows:
        """Return the schedule, also after its run has started.

        Args:
            scheduled_id: Its id, the name of the WorkflowRun object.
        """
        return await self._ask(_get, scheduled_id)

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
        return await self._ask(named_rows, _query(options), Window.of(offset, limit), _row)

    aio_list = async_twin(list)

    @blocking
    async def update(self, scheduled_id: str, trigger_at: datetime) -> ScheduledWorkflows:
        """Change the time at which the run starts, and return the schedule.

        Args:
            scheduled_id: Its id, the name of the WorkflowRun object.
            trigger_at: When; without a zone it is UTC, with a warning. A time that is past: now.

        Raises:
            RequestRefused: It has started already.
        """
        return await self._ask(_update, scheduled_id, in_utc("trigger_at", trigger_at))

    aio_update = async_twin(update)

    @blocking
    async def delete(self, scheduled_id: str) -> None:
        """Delete the schedule before its run starts.

        Args:
            scheduled_id: Its id, the name of the WorkflowRun object.

        Raises:
            RequestRefused: It has started already.
        """
        await self._ask(delete, scheduled_id)

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
        query = _query(options)
        by_filter = any(value is not None for value in options.values())
        if (scheduled_ids is not None) == by_filter:
            raise ValueError("bulk_delete: give either scheduled_ids or filters")
        if scheduled_ids is not None:
            return await self._ask(_delete_all, listed("scheduled_ids", scheduled_ids))
        return await self._ask(_delete_matching, query)

    aio_bulk_delete = async_twin(bulk_delete)

    @blocking
    async def bulk_update(
        self, updates: Sequence[tuple[str, datetime]]
    ) -> ScheduledWorkflowsBulkUpdateResponse:
        """Change the times at which runs start; return which, and why others were not moved.

        Args:
            updates: Ids and times.
        """
        moved = [
            (name, in_utc(f"schedule {name!r}: trigger_at", moment)) for name, moment in updates
        ]
        return await self._ask(_update_all, moved)

    aio_bulk_update = async_twin(bulk_update)
