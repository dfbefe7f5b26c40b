"""What the cluster knows of a workflow: its id, its runs, and that it may be deleted."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, TypedDict, Unpack

from podhatch.definitions.definition import Definition
from podhatch.definitions.task import Input
from podhatch.errors import RequestRefused
from podhatch.task.loading import refuse_run
from podhatch.values.parsing import refuse_unknown

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from podhatch.client.paging import Rows
    from podhatch.client.runs.rows import V1TaskSummary
    from podhatch.client.runs.selection import RunStatus

ONE_DAY = timedelta(days=1)


class RunListing(TypedDict, total=False):
    """Which runs to list. What is None asks for nothing, what is empty lets no run pass."""

    statuses: "Sequence[RunStatus] | None"
    """Where they stand."""
    additional_metadata: Mapping[str, object] | None
    """With any of these pairs."""
    worker_id: str | None
    """Of which a task ran on this node."""
    parent_task_external_id: str | None
    """Started by this task."""
    triggering_event_external_id: str | None
    """Started by this event."""
    only_tasks: bool
    """Return a row for each task, in place of one for each run."""


class Stored(Definition[Input]):
    """Is known to the cluster by its name."""

    _id: str | None = None

    @property
    def id(self) -> str:
        """Name of the Workflow object, once the cluster holds it.

        Raises:
            ValueError: It does not: nothing has published the workflow yet.
        """
        if self._id is None:
            refuse_run()
            from podhatch.client import background_loop, workflows

            try:
                stored = background_loop.wait(workflows.get(self.target, self.name))
            except RequestRefused as error:
                raise ValueError(f"workflow {self.name!r} is not registered: {error}") from None
            self._id = stored.metadata.id
        return self._id

    def list_runs(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        offset: int | None = None,
        **listing: Unpack[RunListing],
    ) -> "list[V1TaskSummary]":
        """Return runs of this, the newest first.

        Args:
            since: Runs created before are left out; by default a day ago.
            until: Runs created later are left out.
            limit: At most so many are returned.
            offset: So many are left out at the beginning.
            listing: See `RunListing`.

        Raises:
            RequestRefused: The cluster does not let you.
            TypeError: There is no such option, or a time is no datetime.
            ValueError: There is no such status, a list is none, or the metadata is no mapping.
        """
        found = self._found(since, until, limit, offset, listing)
        from podhatch.client import background_loop

        return background_loop.wait(found).rows

    async def aio_list_runs(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        offset: int | None = None,
        **listing: Unpack[RunListing],
    ) -> "list[V1TaskSummary]":
        """Do what `list_runs` does, in an event loop."""
        found = self._found(since, until, limit, offset, listing)
        from podhatch.client import background_loop

        return (await background_loop.aio_wait(found)).rows

    def delete(self) -> None:
        """Delete the workflow from the cluster, and with it its crons, filters and runs.

        Raises:
            RequestRefused: The cluster does not hold it, or does not let you.
        """
        refuse_run()
        from podhatch.client import background_loop, workflows

        self._id = None
        background_loop.wait(workflows.delete(self.target, self.name))

    async def aio_delete(self) -> None:
        """Do what `delete` does, in an event loop."""
        refuse_run()
        from podhatch.client import background_loop, workflows

        self._id = None
        await background_loop.aio_wait(workflows.delete(self.target, self.name))

    def _found(
        self,
        since: datetime | None,
        until: datetime | None,
        limit: int,
        offset: int | None,
        listing: RunListing,
    ) -> "Coroutine[Any, Any, Rows[V1TaskSummary]]":
        refuse_run()
        refuse_unknown(f"workflow {self.name!r}: list_runs", listing, RunListing)
        from podhatch.client.paging import Window
        from podhatch.client.runs import lookup
        from podhatch.client.runs.selection import RunFilter, RunSearch

        runs = RunFilter(
            since=datetime.now(UTC) - ONE_DAY if since is None else since,
            until=until,
            statuses=listing.get("statuses"),
            workflow_ids=[self.name],
            additional_metadata=listing.get("additional_metadata"),
        )
        search = RunSearch(
            runs,
            worker_id=listing.get("worker_id"),
            parent_task_external_id=listing.get("parent_task_external_id"),
            triggering_event_external_id=listing.get("triggering_event_external_id"),
        )
        only_tasks = listing.get("only_tasks", False)
        window = Window.of(offset, limit)
        return lookup.find(self.target, search, window, only_tasks=only_tasks, payloads=True)
