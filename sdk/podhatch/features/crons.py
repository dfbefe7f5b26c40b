"""`hatchet.cron`: crons of one namespace."""

from collections.abc import Mapping
from typing import TypedDict, Unpack

from podhatch.api.cron import DEFAULT_TIME_ZONE
from podhatch.client import crons
from podhatch.client.crons import CronOptions, CronRequest, CronWorkflows, deadline_of
from podhatch.client.paging import Rows, Window
from podhatch.client.target import Target
from podhatch.features.base import FeatureClient
from podhatch.values.input import Payload, json_object
from podhatch.values.metadata import metadata_texts
from podhatch.values.parsing import refuse_unknown


class CronFilters(TypedDict, total=False):
    """Selects crons. None means any; an empty text matches no cron."""

    offset: int | None
    """Number of items to skip."""
    limit: int | None
    """Maximum number of items; 100 by default."""
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

    def create(
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
        request = _request(
            workflow_name, cron_name, expression, input, additional_metadata, priority, options
        )
        return self._wait(crons.create, request)

    async def aio_create(
        self,
        workflow_name: str,
        cron_name: str,
        expression: str,
        input: Payload,
        additional_metadata: Mapping[str, object] | None = None,
        priority: int | None = None,
        **options: Unpack[CronOptions],
    ) -> CronWorkflows:
        """Do what `create` does, in an event loop."""
        request = _request(
            workflow_name, cron_name, expression, input, additional_metadata, priority, options
        )
        return await self._aio_wait(crons.create, request)

    def get(self, cron_id: str) -> CronWorkflows:
        """Return the cron.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        return self._wait(crons.get, cron_id)

    async def aio_get(self, cron_id: str) -> CronWorkflows:
        """Do what `get` does, in an event loop."""
        return await self._aio_wait(crons.get, cron_id)

    def list(self, **filters: Unpack[CronFilters]) -> Rows[CronWorkflows]:
        """Return crons.

        Args:
            filters: See `CronFilters`.

        Raises:
            TypeError: An option is unknown.
            ValueError: The metadata is not a mapping of JSON values.
        """
        return self._wait(_find, _checked(filters))

    async def aio_list(self, **filters: Unpack[CronFilters]) -> Rows[CronWorkflows]:
        """Do what `list` does, in an event loop."""
        return await self._aio_wait(_find, _checked(filters))

    def suspend(self, cron_id: str) -> CronWorkflows:
        """Suspend the cron: it starts no run until it is resumed.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.

        Returns:
            The cron as it is now.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        return self._wait(crons.suspend, cron_id, suspended=True)

    async def aio_suspend(self, cron_id: str) -> CronWorkflows:
        """Do what `suspend` does, in an event loop."""
        return await self._aio_wait(crons.suspend, cron_id, suspended=True)

    def resume(self, cron_id: str) -> CronWorkflows:
        """Resume a suspended cron. It ticks at once if the last missed tick is not too late.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.

        Returns:
            The cron as it is now.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        return self._wait(crons.suspend, cron_id, suspended=False)

    async def aio_resume(self, cron_id: str) -> CronWorkflows:
        """Do what `resume` does, in an event loop."""
        return await self._aio_wait(crons.suspend, cron_id, suspended=False)

    def delete(self, cron_id: str) -> None:
        """Delete the cron; its runs stay.

        Args:
            cron_id: Its id, the name of the CronWorkflow object.

        Raises:
            RequestRefused: There is none, or it comes from `on_crons` of its workflow.
        """
        self._wait(crons.delete, cron_id)

    async def aio_delete(self, cron_id: str) -> None:
        """Do what `delete` does, in an event loop."""
        await self._aio_wait(crons.delete, cron_id)


def _request(
    workflow_name: str,
    cron_name: str,
    expression: str,
    input: Payload,
    additional_metadata: Mapping[str, object] | None,
    priority: int | None,
    options: CronOptions,
) -> CronRequest:
    subject = f"cron {cron_name!r}"
    refuse_unknown(subject, options, CronOptions)
    return CronRequest(
        workflow_name,
        cron_name,
        expression,
        json_object(f"{subject}: input", input),
        metadata_texts(f"{subject}: additional_metadata", additional_metadata),
        priority,
        options.get("time_zone", DEFAULT_TIME_ZONE),
        options.get("concurrency_policy", "Allow"),
        deadline_of(subject, options),
    )


def _checked(filters: CronFilters) -> CronFilters:
    refuse_unknown("hatchet.cron.list", filters, CronFilters)
    metadata_texts("additional_metadata", filters.get("additional_metadata"))
    return filters


async def _find(target: Target, filters: CronFilters) -> Rows[CronWorkflows]:
    by_name = filters.get("workflow_name")
    return await crons.find(
        target,
        Window.of(filters.get("offset"), filters.get("limit")),
        filters.get("workflow_id") if by_name is None else by_name,
        filters.get("cron_name"),
        filters.get("additional_metadata"),
    )
