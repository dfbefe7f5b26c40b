"""`hatchet.filters`: EventFilter objects. Workflows declare other filters themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from podhatch.api.event_filter import EventFilter, EventFilterSpec
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.names import object_name
from podhatch.client import objects, paging
from podhatch.client.feature import FeatureClient
from podhatch.client.paging import Metadata, Query, Rows, Window, metadata_of
from podhatch.client.session import Session
from podhatch.client.twins import async_twin, blocking
from podhatch.cluster import EVENT_FILTER
from podhatch.evaluation.client import expression_problem
from podhatch.values.input import Payload, json_object


@dataclass(frozen=True)
class V1Filter:
    """A filter, under the names of the Hatchet SDK."""

    metadata: Metadata
    """Its id is the name of the EventFilter object."""
    workflow_id: str
    """Name of the Workflow object."""
    expression: str
    """CEL over input (the event's payload), payload (this one), additional_metadata, event_id and
    event_key."""
    scope: str
    """Of the events it applies to."""
    payload: JsonObject
    """For the expression, and for tasks as `ctx.filter_payload`."""


@dataclass(frozen=True)
class FilterUpdate:
    """Changes of a filter; None leaves a field as it is."""

    expression: str | None = None
    scope: str | None = None
    payload: Payload | None = None


def new_filter(workflow: str, expression: str, scope: str, payload: Payload) -> EventFilter:
    """Return a filter to create; the workflow need not exist yet."""
    subject = f"filter of workflow {workflow!r}"
    values = json_object(f"{subject}: payload", payload)
    _check(subject, expression)
    name = object_name(workflow)
    with objects.validating(subject):
        spec = EventFilterSpec(workflow=name, expression=expression, scope=scope, payload=values)
    return EventFilter(metadata=ObjectMeta(name=objects.unique_name(name)), spec=spec)


async def create(session: Session, wanted: EventFilter) -> V1Filter:
    """Create the filter."""
    return _row(await objects.create(session, wanted))


def _query(workflows_and_scopes: Sequence[tuple[str, str]] | None) -> Query[EventFilter]:
    """Return the query for filters: all, or those of any of these workflows and scopes."""
    if workflows_and_scopes is None:
        return Query(EventFilter)
    pairs = {(object_name(workflow), scope) for workflow, scope in workflows_and_scopes}
    names = sorted({name for name, _ in pairs})
    return Query(
        EventFilter,
        [f"spec.workflow={name}" for name in names],
        lambda each: (each.spec.workflow, each.spec.scope) in pairs,
    )


async def _update(
    session: Session, name: str, spec: JsonObject, payload: JsonObject | None
) -> V1Filter:
    if payload is not None:
        stored = await objects.read(session, EventFilter, name)
        spec = {**spec, "payload": objects.patch_to(stored.spec.payload, payload)}
    return _row(await objects.patch(session, EventFilter, name, {"spec": spec}))


async def _delete(session: Session, name: str) -> V1Filter:
    was = await objects.read(session, EventFilter, name)
    await objects.delete(session, EVENT_FILTER, name)
    return _row(was)


def _check(subject: str, expression: str) -> None:
    """Raise ValueError for an invalid expression, if the CEL library is installed."""
    if problem := expression_problem(expression, "Filter"):
        raise ValueError(f"{subject}: expression: {problem}")


def _row(stored: EventFilter) -> V1Filter:
    spec = stored.spec
    return V1Filter(
        metadata_of(stored), spec.workflow, spec.expression, spec.scope, dict(spec.payload)
    )


NOTHING: Final[Mapping[str, Any]] = {}


class FiltersClient(FeatureClient):
    """Filters of one namespace. Each is named by its id, `metadata.id`."""

    @blocking
    async def create(
        self, workflow_id: str, expression: str, scope: str, payload: Payload = NOTHING
    ) -> V1Filter:
        """Create a filter: events of its scope start a run for which its expression is true.

        Args:
            workflow_id: The workflow, by its name or id.
            expression: CEL over input (the event's payload), payload (this one),
                additional_metadata, event_id and event_key.
            scope: Of the events it applies to.
            payload: For the expression, and for tasks as `ctx.filter_payload`.

        Raises:
            ValueError: A field is invalid; the text names it.
        """
        return await self._ask(create, new_filter(workflow_id, expression, scope, payload))

    aio_create = async_twin(create)

    @blocking
    async def get(self, filter_id: str) -> V1Filter:
        """Return the filter.

        Args:
            filter_id: Its id, the name of the EventFilter object.
        """
        return _row(await self._ask(objects.read, EventFilter, filter_id))

    aio_get = async_twin(get)

    @blocking
    async def list(
        self,
        limit: int | None = None,
        offset: int | None = None,
        workflow_id_scope_pairs: Sequence[tuple[str, str]] | None = None,
    ) -> Rows[V1Filter]:
        """Return filters; those that workflows declare (`default_filters`) are not among them.

        Args:
            limit: Maximum number of items; 100 by default.
            offset: Number of items to skip.
            workflow_id_scope_pairs: Of any of these workflows (by name or id) and scopes.
        """
        window = Window.of(offset, limit)
        return await self._ask(paging.rows, _query(workflow_id_scope_pairs), window, _row)

    aio_list = async_twin(list)

    @blocking
    async def update(self, filter_id: str, updates: FilterUpdate) -> V1Filter:
        """Change the filter, and return it.

        Args:
            filter_id: The filter.
            updates: The changes.
        """
        expression, scope = updates.expression, updates.scope
        if expression is not None:
            _check(f"filter {filter_id!r}", expression)
        given: JsonObject = {"expression": expression, "scope": scope}
        spec = {name: value for name, value in given.items() if value is not None}
        payload = updates.payload
        if payload is not None:
            payload = json_object(f"filter {filter_id!r}: payload", payload)
        return await self._ask(_update, filter_id, spec, payload)

    aio_update = async_twin(update)

    @blocking
    async def delete(self, filter_id: str) -> V1Filter:
        """Delete the filter, and return it as it was.

        Args:
            filter_id: Its id, the name of the EventFilter object.
        """
        return await self._ask(_delete, filter_id)

    aio_delete = async_twin(delete)
