"""`hatchet.event`: WorkflowEvent objects, which start runs and which runs wait for."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict, Unpack

from podhatch.api.event import EventSource, WorkflowEvent, WorkflowEventSpec
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.names import object_name
from podhatch.client import objects, paging
from podhatch.client.event_options import (
    BulkPushEventOptions,
    BulkPushEventWithMetadata,
    PushEventOptions,
)
from podhatch.client.feature import FeatureClient
from podhatch.client.paging import Metadata, Query, Rows, Window, metadata_of
from podhatch.client.parameters import bound_in_utc, chosen, nothing_passes
from podhatch.client.session import Session
from podhatch.client.twins import async_twin, blocking
from podhatch.task import current_context
from podhatch.values.input import Payload, json_object
from podhatch.values.parsing import metadata_texts, refuse_unknown


@dataclass(frozen=True)
class Event:
    """An event that was just pushed."""

    event_id: str
    """Name of the WorkflowEvent object."""
    key: str
    """Its key."""
    payload: str
    """Its payload as JSON text."""
    event_timestamp: datetime
    """When it happened, in UTC."""
    additional_metadata: str
    """As JSON text."""
    scope: str | None
    """Its scope; None for none."""
    seen_at: datetime
    """The same as `event_timestamp`."""
    namespace: str
    """Where it is."""


@dataclass(frozen=True)
class V1EventTriggeredRun:
    """A run that an event started."""

    workflow_run_id: str
    """Name of the WorkflowRun object."""
    workflow_id: str
    """Name of the Workflow object."""


@dataclass(frozen=True)
class V1Event:
    """An event, and what it has started."""

    metadata: Metadata
    """Its id is the name of the WorkflowEvent object."""
    key: str
    """Its key."""
    payload: JsonObject
    """Its payload."""
    scope: str | None
    """Its scope; None for none."""
    additional_metadata: dict[str, str]
    """Metadata of the runs it starts."""
    seen_at: datetime
    """When it happened, in UTC."""
    triggered_runs: list[V1EventTriggeredRun]
    """Runs it has started by now."""
    handled: bool
    """Whether these are all: the operator needs a few seconds."""
    message: str | None
    """Which filter could not be evaluated, and why; None if all could."""


def seen_at(stored: WorkflowEvent) -> datetime:
    """Return when an event happened."""
    return stored.spec.seen_at or metadata_of(stored).created_at


def _pushed(stored: WorkflowEvent) -> Event:
    spec, moment = stored.spec, seen_at(stored)
    return Event(
        event_id=stored.metadata.name,
        key=spec.key,
        payload=json.dumps(spec.payload),
        event_timestamp=moment,
        additional_metadata=json.dumps(spec.additional_metadata),
        scope=spec.scope,
        seen_at=moment,
        namespace=stored.metadata.namespace,
    )


def _row(stored: WorkflowEvent) -> V1Event:
    spec, status = stored.spec, stored.status
    return V1Event(
        metadata=metadata_of(stored),
        key=spec.key,
        payload=spec.payload,
        scope=spec.scope,
        additional_metadata=spec.additional_metadata,
        seen_at=seen_at(stored),
        triggered_runs=[
            V1EventTriggeredRun(each.run, each.workflow)
            for each in (status.triggered_runs if status else [])
        ],
        handled=status is not None and status.handled_at is not None,
        message=status.message if status else None,
    )


SOURCE_RUN = "hatchet__source_workflow_run_id"
SOURCE_TASK = "hatchet__source_step_run_id"
"""Metadata of an event that a task pushes."""


class EventListOptions(TypedDict, total=False):
    """Selects events. None means any; an empty list matches no event."""

    keys: Sequence[str] | None
    """With one of these keys."""
    since: datetime | None
    """Seen at this time or later."""
    until: datetime | None
    """Seen at this time or earlier."""
    workflow_ids: Sequence[str] | None
    """That started a run of one of these workflows, by name."""
    event_ids: Sequence[str] | None
    """With one of these ids."""
    additional_metadata: Mapping[str, object] | None
    """With all of these pairs."""
    scopes: Sequence[str] | None
    """With one of these scopes."""


def event_query(options: EventListOptions) -> Query[WorkflowEvent]:
    """Return the query for events: the API server is asked for each key, or else each scope."""
    refuse_unknown("hatchet.event.list", options, EventListOptions)
    since = bound_in_utc("since", options.get("since"))
    until = bound_in_utc("until", options.get("until"))
    keys, scopes = chosen("keys", options.get("keys")), chosen("scopes", options.get("scopes"))
    workflows = chosen("workflow_ids", options.get("workflow_ids"))
    ids = chosen("event_ids", options.get("event_ids"))
    metadata = options.get("additional_metadata")
    pairs = metadata_texts("additional_metadata", metadata).items()
    started = {object_name(name) for name in workflows or ()}

    def keep(event: WorkflowEvent) -> bool:
        spec, moment = event.spec, seen_at(event)
        runs = event.status.triggered_runs if event.status else []
        return (
            (not keys or spec.key in keys)
            and (not scopes or spec.scope in scopes)
            and (since is None or moment >= since)
            and (until is None or moment <= until)
            and (not started or any(each.workflow in started for each in runs))
            and (not ids or event.metadata.name in ids)
            and pairs <= spec.additional_metadata.items()
        )

    selectors = [""]
    if nothing_passes(keys, scopes, workflows, ids, metadata):
        selectors = []
    elif keys or scopes:
        field, values = ("spec.key", keys) if keys else ("spec.scope", scopes)
        selectors = [f"{field}={_escaped(value)}" for value in dict.fromkeys(values or ())]
    return Query(WorkflowEvent, selectors, keep)


def new_event(
    key: str,
    payload: Payload,
    additional_metadata: Mapping[str, object] | None = None,
    priority: int | None = None,
    scope: str | None = None,
    options: PushEventOptions | None = None,
) -> WorkflowEvent:
    """Return an event that happens now; arguments are those of `hatchet.event.push`.

    If a task pushes it, its metadata names the task.
    """
    subject = f"event {key!r}"
    given = options or PushEventOptions()
    if not isinstance(given, PushEventOptions):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{subject}: options: expected PushEventOptions, got {given!r}")
    metadata: dict[str, str] = {}
    pushed_by = None
    if task := current_context():
        metadata = {SOURCE_RUN: task.workflow_run_id, SOURCE_TASK: task.task_run_id}
        pushed_by = EventSource(job=task.task_run_id) if task.run_uid else None
    for each in (given.additional_metadata, additional_metadata):
        metadata |= metadata_texts(f"{subject}: additional_metadata", each)
    values = json_object(f"{subject}: payload", payload)
    with objects.validating(subject):
        spec = WorkflowEventSpec(
            key=key,
            payload=values,
            scope=given.scope if scope is None else scope,
            additional_metadata=metadata,
            pushed_by=pushed_by,
            priority=given.priority if priority is None else priority,
            seen_at=datetime.now(UTC),
        )
    name = objects.unique_name(object_name(key))
    return WorkflowEvent(metadata=ObjectMeta(name=name), spec=spec)


async def push(session: Session, event: WorkflowEvent) -> Event:
    """Create the event."""
    if user := await session.user():
        job = event.spec.pushed_by.job if event.spec.pushed_by else None
        source = EventSource(user=user, job=job)
        spec = event.spec.model_copy(update={"pushed_by": source})
        event = event.model_copy(update={"spec": spec})
    return _pushed(await objects.create(session, event))


async def _push_all(session: Session, events: Sequence[WorkflowEvent]) -> list[Event]:
    return await objects.gathered(push(session, event) for event in events)


def _escaped(value: str) -> str:
    """Escape a value for a field selector."""
    return value.replace("\\", "\\\\").replace(",", "\\,").replace("=", "\\=")


class EventClient(FeatureClient):
    """Events of one namespace. Each is deleted a day after it was pushed."""

    @blocking
    async def push(
        self,
        event_key: str,
        payload: Payload,
        options: PushEventOptions | None = None,
        additional_metadata: Mapping[str, object] | None = None,
        priority: int | None = None,
        scope: str | None = None,
    ) -> Event:
        """Push an event, seen now by this machine's clock.

        It starts a run of each workflow whose `on_events` it matches and whose filters let it in,
        and goes to the runs that wait for it. Inside a task, its metadata names the task.

        Args:
            event_key: What `on_events` and `UserEventCondition` name.
            payload: An object of at most 256 KiB as JSON: the input of the runs it starts, and
                what conditions call `input`.
            options: What follows as one object; what is passed by keyword counts before it.
            additional_metadata: Goes into the metadata of the runs it starts.
            priority: 1 (low) to 3 (high) of the runs it starts; None for their workflows'.
            scope: Filters of this scope are asked, and conditions that name it.

        Raises:
            TypeError: `options` is something else.
            ValueError: A field is invalid; the text names it.
        """
        event = new_event(event_key, payload, additional_metadata, priority, scope, options)
        return await self._ask(push, event)

    aio_push = async_twin(push)

    @blocking
    async def bulk_push(
        self,
        events: Sequence[BulkPushEventWithMetadata],
        options: BulkPushEventOptions | None = None,
    ) -> list[Event]:
        """Push many events, ten at a time; none is pushed if one of them is invalid.

        Args:
            events: The events.
            options: What an event has that does not say so itself.

        Returns:
            The events in the same order.

        Raises:
            ValueError: An event is invalid; the text names it and the field.
        """
        made = [
            new_event(
                each.key, each.payload, each.additional_metadata, each.priority, each.scope, options
            )
            for each in events
        ]
        return await self._ask(_push_all, made)

    aio_bulk_push = async_twin(bulk_push)

    @blocking
    async def get(self, event_id: str) -> V1Event:
        """Return the event, and the runs it has started by now.

        Args:
            event_id: Its id, the name of the WorkflowEvent object.

        Raises:
            RequestRefused: There is no such event: events are deleted a day after they were pushed.
        """
        return _row(await self._ask(objects.read, WorkflowEvent, event_id))

    aio_get = async_twin(get)

    @blocking
    async def list(
        self,
        *,
        offset: int | None = None,
        limit: int | None = None,
        **options: Unpack[EventListOptions],
    ) -> Rows[V1Event]:
        """Return events, and the runs they have started by now.

        Args:
            offset: Number of items to skip.
            limit: Maximum number of items; 100 by default.
            options: See `EventListOptions`.

        Raises:
            TypeError: An option is unknown, or a time is not a datetime.
            ValueError: A list is not a list, or the metadata is not a mapping of JSON values.
        """
        window = Window.of(offset, limit)
        return await self._ask(paging.rows, event_query(options), window, _row)

    aio_list = async_twin(list)
