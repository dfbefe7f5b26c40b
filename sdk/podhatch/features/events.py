"""`hatchet.event`: events of one namespace, which start runs or end the waits of runs."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TypedDict, Unpack

from podhatch.api.event import WorkflowEvent
from podhatch.client import events as client_events
from podhatch.client.events import Event, EventFilters, V1Event
from podhatch.client.paging import Rows, Window
from podhatch.client.twins import async_twin, blocking
from podhatch.features.base import FeatureClient
from podhatch.features.event_options import (
    BulkPushEventOptions,
    BulkPushEventWithMetadata,
    PushEventOptions,
)
from podhatch.values.input import Payload
from podhatch.values.metadata import metadata_texts
from podhatch.values.parsing import refuse_unknown


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
        event = _event(event_key, payload, options, additional_metadata, priority, scope)
        return await self._ask(client_events.push, event)

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
            _event(
                each.key, each.payload, options, each.additional_metadata, each.priority, each.scope
            )
            for each in events
        ]
        return await self._ask(client_events.push_all, made)

    aio_bulk_push = async_twin(bulk_push)

    @blocking
    async def get(self, event_id: str) -> V1Event:
        """Return the event, and the runs it has started by now.

        Args:
            event_id: Its id, the name of the WorkflowEvent object.

        Raises:
            RequestRefused: There is no such event: events are deleted a day after they were pushed.
        """
        return await self._ask(client_events.get, event_id)

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
        refuse_unknown("hatchet.event.list", options, EventListOptions)
        window = Window.of(offset, limit)
        return await self._ask(client_events.find, window, EventFilters(**options))

    aio_list = async_twin(list)


def _event(
    key: str,
    payload: Payload,
    options: PushEventOptions | None,
    additional_metadata: Mapping[str, object] | None,
    priority: int | None,
    scope: str | None,
) -> WorkflowEvent:
    given = options or PushEventOptions()
    if not isinstance(given, PushEventOptions):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"event {key!r}: options: expected PushEventOptions, got {given!r}")
    subject = f"event {key!r}: additional_metadata"
    return client_events.new_event(
        key,
        payload,
        metadata_texts(subject, given.additional_metadata)
        | metadata_texts(subject, additional_metadata),
        given.priority if priority is None else priority,
        given.scope if scope is None else scope,
    )
