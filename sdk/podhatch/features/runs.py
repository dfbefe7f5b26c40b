"""`hatchet.runs`: runs of one namespace, by their names."""

import builtins
from collections.abc import AsyncGenerator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, Unpack

from podhatch.client import logs
from podhatch.client.paging import Rows, Window
from podhatch.client.runs import control, execution, lookup
from podhatch.client.runs.request import NamedRun
from podhatch.client.runs.rows import V1TaskSummary, V1WorkflowRunDetails, WorkflowRunDetail
from podhatch.client.runs.selection import BulkCancelReplayOpts, RunFilter, RunSearch, RunStatus
from podhatch.definitions.references import RunRef, WorkflowRunRef
from podhatch.features.base import FeatureClient
from podhatch.task.loading import refuse_run
from podhatch.values.input import Payload
from podhatch.values.parsing import refuse_unknown

RunId = str | RunRef[Any]
"""The name of a run (`workflow_run_id`), or a reference to it."""

ONE_DAY = timedelta(days=1)
EVERYTHING = 2**31


class RunFilterOptions(TypedDict, total=False):
    """Selects runs. None means any; an empty list matches no run."""

    until: datetime | None
    """Created at this time or earlier."""
    statuses: Sequence[RunStatus] | None
    """With one of these statuses."""
    workflow_ids: Sequence[str] | None
    """Of one of these workflows, by name."""
    additional_metadata: Mapping[str, object] | None
    """With any of these pairs."""


def run_filter(
    since: datetime | None, options: RunFilterOptions, known: type = RunFilterOptions
) -> RunFilter:
    """Return the filter of a caller's options; by default it goes back one day.

    Args:
        since: Only runs created at this time or later.
        options: The keyword arguments.
        known: The TypedDict of the options.

    Raises:
        TypeError: An option is unknown, or a time is not a datetime.
        ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
    """
    refuse_unknown("hatchet.runs", options, known)
    return RunFilter(
        datetime.now(UTC) - ONE_DAY if since is None else since,
        options.get("until"),
        options.get("statuses"),
        options.get("workflow_ids"),
        options.get("additional_metadata"),
    )


class RunListOptions(RunFilterOptions, total=False):
    """Options of `RunsClient.list`."""

    worker_id: str | None
    """Of which a task ran on this node."""
    parent_task_external_id: str | None
    """Started by this task: its id, `ctx.task_run_id`, or the name of a run of one task."""
    triggering_event_external_id: str | None
    """Started by this event."""
    include_payloads: bool
    """Whether rows hold input and outputs; True by default."""


class RunsClient(FeatureClient):
    """Runs of one namespace. Each is named by its `workflow_run_id`, or by a reference to it."""

    def get(self, workflow_run_id: RunId) -> V1WorkflowRunDetails:
        """Return the run as it stands, with its tasks, their events and their graph.

        `object` of what it returns is the WorkflowRun as the cluster holds it.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        return self._wait(lookup.get, str(workflow_run_id))

    async def aio_get(self, workflow_run_id: RunId) -> V1WorkflowRunDetails:
        """Do what `get` does, in an event loop."""
        return await self._aio_wait(lookup.get, str(workflow_run_id))

    def get_details(self, workflow_run_id: RunId) -> WorkflowRunDetail:
        """Return the state of the run, and of those of its tasks that may have begun.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        return self._wait(lookup.get_details, str(workflow_run_id))

    async def aio_get_details(self, workflow_run_id: RunId) -> WorkflowRunDetail:
        """Do what `get_details` does, in an event loop."""
        return await self._aio_wait(lookup.get_details, str(workflow_run_id))

    def get_status(self, workflow_run_id: RunId) -> RunStatus:
        """Return the status of the run.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        return self._wait(lookup.get_status, str(workflow_run_id))

    async def aio_get_status(self, workflow_run_id: RunId) -> RunStatus:
        """Do what `get_status` does, in an event loop."""
        return await self._aio_wait(lookup.get_status, str(workflow_run_id))

    def get_task_run(self, task_run_id: RunId) -> V1TaskSummary:
        """Return one task.

        Args:
            task_run_id: `<run>/<task>` as rows have it, `ctx.task_run_id`, or the name of a run of
                one task.
        """
        return self._wait(lookup.get_task, str(task_run_id))

    async def aio_get_task_run(self, task_run_id: RunId) -> V1TaskSummary:
        """Do what `get_task_run` does, in an event loop."""
        return await self._aio_wait(lookup.get_task, str(task_run_id))

    def get_result(self, run_id: RunId) -> Any:
        """Return what the run has returned, without waiting: see `V1TaskSummary.output`.

        `get_run_ref(run_id).result()` waits for the run's end.

        Args:
            run_id: The run's id, the name of the WorkflowRun object.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        return self.get(run_id).run.output

    async def aio_get_result(self, run_id: RunId) -> Any:
        """Do what `get_result` does, in an event loop."""
        return (await self.aio_get(run_id)).run.output

    def get_run_ref(self, workflow_run_id: RunId) -> WorkflowRunRef:
        """Return a reference to the run, whose result can be waited for. Asks no cluster.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.
        """
        return WorkflowRunRef(self._target, str(workflow_run_id))

    def list(
        self,
        since: datetime | None = None,
        only_tasks: bool = False,
        offset: int | None = None,
        limit: int | None = None,
        **options: Unpack[RunListOptions],
    ) -> Rows[V1TaskSummary]:
        """Return runs, or their tasks.

        Args:
            since: Only runs created at this time or later; by default a day ago.
            only_tasks: Return a row for each task, in place of one for each run.
            offset: Number of items to skip.
            limit: Maximum number of items; 100 by default.
            options: See `RunListOptions`.

        Raises:
            TypeError: An option is unknown, or a time is not a datetime.
            ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
        """
        search, payloads = _search(since, options)
        window = Window.of(offset, limit)
        return self._wait(lookup.find, search, window, only_tasks=only_tasks, payloads=payloads)

    async def aio_list(
        self,
        since: datetime | None = None,
        only_tasks: bool = False,
        offset: int | None = None,
        limit: int | None = None,
        **options: Unpack[RunListOptions],
    ) -> Rows[V1TaskSummary]:
        """Do what `list` does, in an event loop."""
        search, payloads = _search(since, options)
        window = Window.of(offset, limit)
        return await self._aio_wait(
            lookup.find, search, window, only_tasks=only_tasks, payloads=payloads
        )

    def list_with_pagination(
        self,
        since: datetime | None = None,
        only_tasks: bool = False,
        **options: Unpack[RunListOptions],
    ) -> "builtins.list[V1TaskSummary]":
        """Return all that `list` returns page by page.

        Args:
            since: Only runs created at this time or later; by default a day ago.
            only_tasks: Return a row for each task, in place of one for each run.
            options: See `RunListOptions`.

        Raises:
            TypeError: An option is unknown, or a time is not a datetime.
            ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
        """
        search, payloads = _search(since, options)
        window = Window(limit=EVERYTHING)
        return self._wait(
            lookup.find, search, window, only_tasks=only_tasks, payloads=payloads
        ).rows

    async def aio_list_with_pagination(
        self,
        since: datetime | None = None,
        only_tasks: bool = False,
        **options: Unpack[RunListOptions],
    ) -> "builtins.list[V1TaskSummary]":
        """Do what `list_with_pagination` does, in an event loop."""
        search, payloads = _search(since, options)
        window = Window(limit=EVERYTHING)
        found = await self._aio_wait(
            lookup.find, search, window, only_tasks=only_tasks, payloads=payloads
        )
        return found.rows

    def create(
        self,
        workflow_name: str,
        input: Payload,
        additional_metadata: Mapping[str, object] | None = None,
        priority: int | None = None,
    ) -> V1WorkflowRunDetails:
        """Start a run of a workflow that the cluster holds, whoever defined it.

        Args:
            workflow_name: The workflow's name.
            input: Checked by the operator, not here.
            additional_metadata: Texts that travel with the run to every task.
            priority: 1 (low) to 3 (high); None for the workflow's.

        Raises:
            InvalidRun: A field is invalid; the text names it.
            RequestRefused: There is no such workflow.
        """
        asked = NamedRun(workflow_name, input, additional_metadata, priority)
        return self._wait(execution.create_in_full, asked)

    async def aio_create(
        self,
        workflow_name: str,
        input: Payload,
        additional_metadata: Mapping[str, object] | None = None,
        priority: int | None = None,
    ) -> V1WorkflowRunDetails:
        """Do what `create` does, in an event loop."""
        asked = NamedRun(workflow_name, input, additional_metadata, priority)
        return await self._aio_wait(execution.create_in_full, asked)

    def cancel(self, run_id: RunId) -> None:
        """Cancel the run: its tasks that have not ended end now, and their pods are stopped.

        It returns once the cluster has noted it. A run that has ended stays as it is.

        Args:
            run_id: The run's id, the name of the WorkflowRun object.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        self._wait(control.cancel, str(run_id))

    async def aio_cancel(self, run_id: RunId) -> None:
        """Do what `cancel` does, in an event loop."""
        await self._aio_wait(control.cancel, str(run_id))

    def replay(self, run_id: RunId, failed_only: bool = False) -> WorkflowRunRef:
        """Let the run start over, with the same name, input and workflow.

        In this process, `result()` of any reference to the run then waits for the new outcome.

        Args:
            run_id: The run, ended or not; a cancelled one is revived.
            failed_only: Tasks that succeeded keep their outputs: only the others, and all that
                depends on them, run again.

        Returns:
            A reference to the run.
        """
        replayed = self._wait(control.replay, str(run_id), failed_only=failed_only)
        return WorkflowRunRef(self._target, replayed)

    async def aio_replay(self, run_id: RunId, failed_only: bool = False) -> WorkflowRunRef:
        """Do what `replay` does, in an event loop."""
        replayed = await self._aio_wait(control.replay, str(run_id), failed_only=failed_only)
        return WorkflowRunRef(self._target, replayed)

    def subscribe_to_stream(self, workflow_run_id: RunId) -> AsyncGenerator[str | bytes, None]:
        """Yield what the tasks of a run put into its stream, until the run has ended.

        It does not matter when it is asked: chunks that were put before come first, those of all
        tasks in the order of their time; from then on each comes as soon as it is there. The chunks
        of one attempt of a task are always in their order. They are kept in the logs of the pods,
        and are gone with those. Close it early with `contextlib.aclosing`.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.

        Raises:
            RequestRefused: There is no such run, or access to logs is denied.
        """
        refuse_run()
        return logs.stream(self._target, str(workflow_run_id))

    def bulk_cancel(self, opts: BulkCancelReplayOpts) -> builtins.list[str]:
        """Cancel the runs as `cancel` does; a filter matches only runs that have not ended.

        Args:
            opts: The runs, by their ids or by a filter.

        Returns:
            The ids of these runs.

        Raises:
            RequestRefused: There is no run of one of the ids; others may be cancelled by then.
        """
        return self._wait(control.cancel_many, opts.chosen)

    async def aio_bulk_cancel(self, opts: BulkCancelReplayOpts) -> builtins.list[str]:
        """Do what `bulk_cancel` does, in an event loop."""
        return await self._aio_wait(control.cancel_many, opts.chosen)

    def bulk_replay(self, opts: BulkCancelReplayOpts) -> builtins.list[str]:
        """Let the runs start over as `replay` does.

        Args:
            opts: The runs, by their ids or by a filter.

        Returns:
            The ids of these runs.

        Raises:
            RequestRefused: There is no run of one of the ids; others may have started over by then.
        """
        return self._wait(control.replay_many, opts.chosen)

    async def aio_bulk_replay(self, opts: BulkCancelReplayOpts) -> builtins.list[str]:
        """Do what `bulk_replay` does, in an event loop."""
        return await self._aio_wait(control.replay_many, opts.chosen)

    def bulk_cancel_by_filters_with_pagination(
        self,
        sleep_time: float = 3,
        chunk_size: int = 500,
        since: datetime | None = None,
        **options: Unpack[RunFilterOptions],
    ) -> builtins.list[str]:
        """Cancel runs in chunks, with a pause between.

        Args:
            sleep_time: Seconds between two chunks.
            chunk_size: Number of runs in each.
            since: Only runs created at this time or later; by default a day ago.
            options: See `RunFilterOptions`.

        Raises:
            TypeError: An option is unknown, or a time is not a datetime.
            ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
        """
        meant = run_filter(since, options)
        return self._wait(control.cancel_many, meant, chunk_size, sleep_time)

    async def aio_bulk_cancel_by_filters_with_pagination(
        self,
        sleep_time: float = 3,
        chunk_size: int = 500,
        since: datetime | None = None,
        **options: Unpack[RunFilterOptions],
    ) -> builtins.list[str]:
        """Do what `bulk_cancel_by_filters_with_pagination` does, in an event loop."""
        meant = run_filter(since, options)
        return await self._aio_wait(control.cancel_many, meant, chunk_size, sleep_time)

    def bulk_replay_by_filters_with_pagination(
        self,
        sleep_time: float = 3,
        chunk_size: int = 500,
        since: datetime | None = None,
        **options: Unpack[RunFilterOptions],
    ) -> builtins.list[str]:
        """Replay runs in chunks, with a pause between.

        Args:
            sleep_time: Seconds between two chunks.
            chunk_size: Number of runs in each.
            since: Only runs created at this time or later; by default a day ago.
            options: See `RunFilterOptions`.

        Raises:
            TypeError: An option is unknown, or a time is not a datetime.
            ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
        """
        meant = run_filter(since, options)
        return self._wait(control.replay_many, meant, chunk_size, sleep_time)

    async def aio_bulk_replay_by_filters_with_pagination(
        self,
        sleep_time: float = 3,
        chunk_size: int = 500,
        since: datetime | None = None,
        **options: Unpack[RunFilterOptions],
    ) -> builtins.list[str]:
        """Do what `bulk_replay_by_filters_with_pagination` does, in an event loop."""
        meant = run_filter(since, options)
        return await self._aio_wait(control.replay_many, meant, chunk_size, sleep_time)


def _search(since: datetime | None, options: RunListOptions) -> tuple[RunSearch, bool]:
    """Return what to list, and whether payloads are wanted."""
    search = RunSearch(
        run_filter(since, options, RunListOptions),
        options.get("worker_id"),
        options.get("parent_task_external_id"),
        options.get("triggering_event_external_id"),
    )
    return search, options.get("include_payloads", True)
