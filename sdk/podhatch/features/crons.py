"""`hatchet.cron`: crons of one namespace."""

from collections.abc import Mapping
from typing import TypedDict, Unpack

from podhatch.client import crons
from podhatch.client.crons import CronOptions, CronWorkflows
from podhatch.client.paging import Rows, Window
from podhatch.client.twins import async_twin, blocking
from podhatch.features.base import FeatureClient
from podhatch.values.input import Payload
from podhatch.values.parsing import refuse_unknown


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
        asked = crons.new_cron(
            workflow_name, cron_name, expression, input, additional_metadata, priority, options
        )
        return await self._ask(crons.create, workflow_name, asked)

    aio_create = async_twin(create)

    @blocking
    async def get(self, cron_id: str) -> CronWorkflows:
        """Return the cron.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.
        """
        return await self._ask(crons.get, cron_id)

    aio_get = async_twin(get)

    @blocking
    async def list(
        self,
        *,
        offset: int | None = None,
        limit: int | None = None,
        **filters: Unpack[CronFilters],
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
        refuse_unknown("hatchet.cron.list", filters, CronFilters)
        by_name = filters.get("workflow_name")
        return await self._ask(
            crons.find,
            Window.of(offset, limit),
            filters.get("workflow_id") if by_name is None else by_name,
            filters.get("cron_name"),
            filters.get("additional_metadata"),
        )

    aio_list = async_twin(list)

    @blocking
    async def suspend(self, cron_id: str) -> CronWorkflows:
        """Suspend the cron: it starts no run until it is resumed.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.

        Returns:
            The cron as it is now.
        """
        return await self._ask(crons.suspend, cron_id, suspended=True)

    aio_suspend = async_twin(suspend)

    @blocking
    async def resume(self, cron_id: str) -> CronWorkflows:
        """Resume a suspended cron. It ticks at once if the last missed tick is not too late.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.

        Returns:
            The cron as it is now.
        """
        return await self._ask(crons.suspend, cron_id, suspended=False)

    aio_resume = async_twin(resume)

    @blocking
    async def delete(self, cron_id: str) -> None:
        """Delete the cron; its runs stay.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.

        Raises:
            RequestRefused: There is none, or it comes from `on_crons` of its workflow.
        """
        await self._ask(crons.delete, cron_id)

    aio_delete = async_twin(delete)
