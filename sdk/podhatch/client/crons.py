"""`hatchet.cron`: CronWorkflow objects, which the operator makes CronJobs of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypedDict, Unpack

from podhatch.api.cron import (
    DEFAULT_TIME_ZONE,
    MAX_CRON_NAME,
    ConcurrencyPolicy,
    CronWorkflow,
    CronWorkflowSpec,
)
from podhatch.api.cron_expression import checked_cron, is_time_zone
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.names import object_name
from podhatch.client import objects
from podhatch.client.feature import FeatureClient
from podhatch.client.paging import Metadata, Query, Rows, Window, metadata_of
from podhatch.client.parameters import nothing_passes
from podhatch.client.session import Session
from podhatch.client.twins import async_twin, blocking
from podhatch.client.workflows import named_row, named_rows
from podhatch.cluster import CRON_WORKFLOW
from podhatch.errors import RequestRefused
from podhatch.values.duration import Duration, whole_seconds
from podhatch.values.input import Payload, json_object
from podhatch.values.parsing import metadata_texts, refuse_unknown


class CronOptions(TypedDict, total=False):
    """Keyword arguments of the methods that create a cron."""

    time_zone: str
    """Of the expression, by its IANA name such as Europe/Paris; by default Etc/UTC."""
    concurrency_policy: ConcurrencyPolicy
    """What a tick does while an earlier run is running: Allow starts another (the default), Forbid
    skips the tick, Replace cancels the earlier run."""
    starting_deadline: Duration | None
    """A tick that is late by more is skipped; by default none is."""
    starting_deadline_seconds: int | None
    """The same in seconds."""


class CronWorkflowsMethod(StrEnum):
    """Where a cron comes from."""

    DEFAULT = "DEFAULT"
    """`on_crons` of its workflow, with which it is created and deleted."""
    API = "API"
    """`create_cron`, or an object that was applied."""


@dataclass(frozen=True)
class CronWorkflows:
    """A cron, under the names of the Hatchet SDK."""

    metadata: Metadata
    """Its id is the name of the CronWorkflow object."""
    name: str
    """The cron's name as its author wrote it."""
    workflow_id: str
    """Name of the Workflow object."""
    workflow_name: str
    """The workflow's name as its author wrote it."""
    cron: str
    """The expression."""
    input: JsonObject
    """Of each run."""
    additional_metadata: dict[str, str]
    """Of each run."""
    enabled: bool
    """False while it is suspended."""
    method: CronWorkflowsMethod
    """Where it comes from."""
    priority: int | None
    """1 to 3 of each run; None for the workflow's."""
    time_zone: str
    """Of the expression."""
    next_run_times: list[datetime]
    """Of the next ticks; empty until the operator has seen the cron, and while it is suspended."""


def _row(stored: CronWorkflow, workflow_name: str) -> CronWorkflows:
    spec, owners = stored.spec, stored.metadata.owner_references
    declared = any(owner.controller and owner.kind == "Workflow" for owner in owners)
    return CronWorkflows(
        metadata=metadata_of(stored),
        name=stored.true_name,
        workflow_id=spec.workflow,
        workflow_name=workflow_name,
        cron=spec.schedule,
        input=spec.input,
        additional_metadata=spec.additional_metadata,
        enabled=not spec.suspend,
        method=CronWorkflowsMethod.DEFAULT if declared else CronWorkflowsMethod.API,
        priority=spec.priority,
        time_zone=spec.time_zone,
        next_run_times=stored.status.next_run_times if stored.status else [],
    )


def new_cron(
    workflow_name: str,
    cron_name: str,
    expression: str,
    input: Payload,
    additional_metadata: Mapping[str, object] | None,
    priority: int | None,
    options: CronOptions,
) -> CronWorkflow:
    """Return a cron to create; arguments are those of `hatchet.cron.create`."""
    subject = f"cron {cron_name!r}"
    refuse_unknown(subject, options, CronOptions)
    values = json_object(f"{subject}: input", input)
    metadata = metadata_texts(f"{subject}: additional_metadata", additional_metadata)
    deadline = _deadline_of(subject, options)
    subject = f"{subject} of workflow {workflow_name!r}"
    time_zone = options.get("time_zone", DEFAULT_TIME_ZONE)
    workflow = object_name(workflow_name)
    try:
        schedule = checked_cron(expression)
    except ValueError as error:
        raise ValueError(f"{subject}: expression: {error}") from None
    with objects.validating(subject):
        spec = CronWorkflowSpec(
            workflow=workflow,
            name=cron_name,
            schedule=schedule,
            time_zone=time_zone,
            concurrency_policy=options.get("concurrency_policy", "Allow"),
            starting_deadline_seconds=deadline,
            input=values,
            additional_metadata=metadata,
            priority=priority,
        )
    if not is_time_zone(time_zone):
        raise ValueError(
            f"{subject}: time_zone: expected an IANA name such as Europe/Paris, got {time_zone!r}"
        )
    name = object_name(f"{workflow}-{cron_name}", MAX_CRON_NAME)
    return CronWorkflow(metadata=ObjectMeta(name=name), spec=spec)


def _deadline_of(subject: str, options: CronOptions) -> int | None:
    """Return the starting deadline in seconds, whichever way it is given."""
    deadline = options.get("starting_deadline")
    in_seconds = options.get("starting_deadline_seconds")
    if deadline is None:
        return in_seconds
    if in_seconds is not None:
        raise ValueError(f"{subject}: give either starting_deadline or starting_deadline_seconds")
    return whole_seconds(f"{subject}: starting_deadline", deadline)


class CronFilters(TypedDict, total=False):
    """Selects crons. None means any; an empty text matches no cron."""

    workflow_id: str | None
    """Of a workflow: another name of `workflow_name`."""
    workflow_name: str | None
    """Of a workflow, by its name or that of its object."""
    cron_name: str | None
    """Of this name."""
    additional_metadata: Mapping[str, object] | None
    """With all of these pairs."""


async def create(session: Session, workflow_name: str, asked: CronWorkflow) -> CronWorkflows:
    """Create the cron of a workflow. If the same cron exists already, it is returned."""
    stored = await objects.create_or_read(session, asked)
    if stored.spec.model_copy(update={"suspend": False}) != asked.spec:
        raise RequestRefused(
            f"cron {asked.true_name!r} of workflow {workflow_name!r} exists already and differs "
            f"(schedule {stored.spec.schedule!r}, time zone {stored.spec.time_zone!r}): delete it "
            "first, or choose another name"
        )
    return _row(stored, workflow_name)


async def _get(session: Session, name: str) -> CronWorkflows:
    return await named_row(session, await objects.read(session, CronWorkflow, name), _row)


def _query(filters: CronFilters) -> Query[CronWorkflow]:
    """Return the query for crons of a workflow, of a name, and with all of some metadata."""
    refuse_unknown("hatchet.cron.list", filters, CronFilters)
    by_name, cron_name = filters.get("workflow_name"), filters.get("cron_name")
    workflow = filters.get("workflow_id") if by_name is None else by_name
    metadata = filters.get("additional_metadata")
    wanted = metadata_texts("additional_metadata", metadata).items()

    def keep(cron: CronWorkflow) -> bool:
        named = cron_name in (None, cron.true_name)
        return named and wanted <= cron.spec.additional_metadata.items()

    selectors = [f"spec.workflow={object_name(workflow)}" if workflow else ""]
    if nothing_passes(workflow, cron_name, metadata):
        selectors = []
    return Query(CronWorkflow, selectors, keep if cron_name or metadata else None)


async def suspend(session: Session, name: str, *, suspended: bool) -> CronWorkflows:
    """Suspend or resume the cron."""
    body: JsonObject = {"spec": {"suspend": suspended}}
    return await named_row(session, await objects.patch(session, CronWorkflow, name, body), _row)


async def delete(session: Session, name: str) -> None:
    """Delete the cron; its runs stay."""
    cron = await _get(session, name)
    if cron.method is CronWorkflowsMethod.DEFAULT:
        raise RequestRefused(
            f"cron {name!r} comes from on_crons of workflow {cron.workflow_name!r}: remove it "
            "there, or suspend it"
        )
    await objects.delete(session, CRON_WORKFLOW, name)


class CronClient(FeatureClient):
    """Crons of one namespace. Each is named by its id, `metadata.id`."""

    @blocking
    async def create(
        self,
        workflow_name: str,
        cron_name: str,
        expression: str,
        input: Payload,
        additional_metadata: Mapping[str, object] | None = None,
        priority: int | None = None,
        **options: Unpack[CronOptions],
    ) -> CronWorkflows:
        """Create a cron. The same one asked for again is the one that is there.

        Args:
            workflow_name: The workflow's name; it need not exist yet.
            cron_name: Unique in the workflow.
            expression: Five fields, or @hourly and the like: see `checked_cron`. No seconds.
            input: Of each run.
            additional_metadata: Texts that travel with each run.
            priority: 1 (low) to 3 (high); None for the workflow's.
            options: See `CronOptions`.

        Raises:
            RequestRefused: Another cron has this name.
            TypeError: An option is unknown.
            ValueError: A field is invalid; the text names it.
        """
        asked = new_cron(
            workflow_name, cron_name, expression, input, additional_metadata, priority, options
        )
        return await self._ask(create, workflow_name, asked)

    aio_create = async_twin(create)

    @blocking
    async def get(self, cron_id: str) -> CronWorkflows:
        """Return the cron.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.
        """
        return await self._ask(_get, cron_id)

    aio_get = async_twin(get)

    @blocking
    async def list(
        self, *, offset: int | None = None, limit: int | None = None, **filters: Unpack[CronFilters]
    ) -> Rows[CronWorkflows]:
        """Return crons.

        Args:
            offset: Number of items to skip.
            limit: Maximum number of items; 100 by default.
            filters: See `CronFilters`.

        Raises:
            TypeError: An option is unknown.
            ValueError: The metadata is not a mapping of JSON values.
        """
        return await self._ask(named_rows, _query(filters), Window.of(offset, limit), _row)

    aio_list = async_twin(list)

    @blocking
    async def suspend(self, cron_id: str) -> CronWorkflows:
        """Suspend the cron, and return it: it starts no run until it is resumed.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.
        """
        return await self._ask(suspend, cron_id, suspended=True)

    aio_suspend = async_twin(suspend)

    @blocking
    async def resume(self, cron_id: str) -> CronWorkflows:
        """Resume a suspended cron, and return it.

        It ticks at once if the last missed tick is not too late.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.
        """
        return await self._ask(suspend, cron_id, suspended=False)

    aio_resume = async_twin(resume)

    @blocking
    async def delete(self, cron_id: str) -> None:
        """Delete the cron; its runs stay.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.

        Raises:
            RequestRefused: There is none, or it comes from `on_crons` of its workflow.
        """
        await self._ask(delete, cron_id)

    aio_delete = async_twin(delete)
