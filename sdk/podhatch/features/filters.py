"""`hatchet.filters`: which events start a run, beside what workflows declare themselves."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from podhatch.client import filters
from podhatch.client.filters import FilterUpdate, V1Filter
from podhatch.client.paging import Rows, Window
from podhatch.client.twins import async_twin, blocking
from podhatch.features.base import FeatureClient
from podhatch.values.input import Payload

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
        return await self._ask(filters.create, workflow_id, expression, scope, payload)

    aio_create = async_twin(create)

    @blocking
    async def get(self, filter_id: str) -> V1Filter:
        """Return the filter.

        Args:
            filter_id: Its id, the name of the EventFilter object.
        """
        return await self._ask(filters.get, filter_id)

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
        return await self._ask(filters.find, window, workflow_id_scope_pairs)

    aio_list = async_twin(list)

    @blocking
    async def update(self, filter_id: str, updates: FilterUpdate) -> V1Filter:
        """Change the filter, and return it.

        Args:
            filter_id: The filter.
            updates: The changes.
        """
        return await self._ask(filters.update, filter_id, updates)

    aio_update = async_twin(update)

    @blocking
    async def delete(self, filter_id: str) -> V1Filter:
        """Delete the filter, and return it as it was.

        Args:
            filter_id: Its id, the name of the EventFilter object.
        """
        return await self._ask(filters.delete, filter_id)

    aio_delete = async_twin(delete)
