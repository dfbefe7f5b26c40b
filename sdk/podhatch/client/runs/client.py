"""`hatchet.runs`: runs of one namespace, by their names."""

import builtins
from collections.abc import AsyncGenerator, Mapping
from datetime import datetime
from typing import Any, Unpack

from podhatch.api.run import WorkflowRun
from podhatch.client import logs, objects
from podhatch.client.feature import FeatureClient
from podhatch.client.paging import Rows, Window
from podhatch.client.runs import control, durable_log, execution, lookup
from podhatch.client.runs.references import RunRef, WorkflowRunRef, referring
from podhatch.client.runs.rows import (
    V1TaskSummary,
    V1WorkflowRunDetails,
    WorkflowRunDetail,
    run_status,
)
from podhatch.client.runs.selection import (
    BulkCancelReplayOpts,
    RunFilter,
    RunFilterOptions,
    RunListOptions,
    RunSearch,
    RunStatus,
    recent,
)
from podhatch.client.twins import async_twin, blocking
from podhatch.task.loading import refuse_run
from podhatch.values.input import Payload
from podhatch.values.parsing import refuse_unknown

RunId = str | RunRef[Any]
"""The name of a run (`workflow_run_id`), or a reference to it."""

EVERYTHING = 2**31


class RunsClient(FeatureClient):
    """Runs of one namespace. Each is named by its `workflow_run_id`, or by a reference to it."""

    @blocking
    async def get(self, workflow_run_id: RunId) -> V1WorkflowRunDetails:
        """Return the run as it stands, with its tasks, their events and their graph.

        `object` of what it returns is the WorkflowRun as the cluster holds it.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.
        """
        return await self._ask(lookup.get, str(workflow_run_id))

    aio_get = async_twin(get)

    @blocking
    async def get_details(self, workflow_run_id: RunId) -> WorkflowRunDetail:
        """Return the state of the run, and of those of its tasks that may have begun.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.
        """
        return await self._ask(lookup.get_details, str(workflow_run_id))

    aio_get_details = async_twin(get_details)

    @blocking
    async def get_status(self, workflow_run_id: RunId) -> RunStatus:
        """Return the status of the run.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.
        """
        return run_status(await self._ask(objects.read, WorkflowRun, str(workflow_run_id)))

    aio_get_status = async_twin(get_status)

    @blocking
    async def get_task_run(self, task_run_id: RunId) -> V1TaskSummary:
        """Return one task.

        Args:
            task_run_id: `<run>/<task>` as rows have it, `ctx.task_run_id`, or the name of a run of
                one task.
        """
        return await self._ask(lookup.get_task, str(task_run_id))

    aio_get_task_run = async_twin(get_task_run)

    @blocking
    async def get_result(self, run_id: RunId) -> Any:
        """Return what the run has returned, without waiting: see `V1TaskSummary.output`.

        `get_run_ref(run_id).result()` waits for the run's end.

        Args:
            run_id: The run's id, the name of the WorkflowRun object.
        """
        return (await self._ask(lookup.get, str(run_id))).run.output

    aio_get_result = async_twin(get_result)

    def get_run_ref(self, workflow_run_id: RunId) -> WorkflowRunRef:
        """Return a reference to the run, whose result can be waited for. Asks no cluster.

        Args:
            workflow_run_id: The run's id, the name of the WorkflowRun object.
        """
        return WorkflowRunRef(self._target, str(workflow_run_id))

    @blocking
    async def list(
        self,
        since: datetime | None = None,
        only_tasks: bool = False,
        offset: int | None = None,
        limit: int | None = None,
        *,
        include_payloads: bool = True,
        **options: Unpack[RunListOptions],
    ) -> Rows[V1TaskSummary]:
        """Return runs, or their tasks.

        Args:
            since: Only runs created at this time or later; by default a day ago.
            only_tasks: Return a row for each task, in place of one for each run.
            offset: Number of items to skip.
            limit: Maximum number of items; 100 by default.
            include_payloads: Whether rows hold input and outputs.
            options: See `RunListOptions`.

        Raises:
            TypeError: An option is unknown, or a time is not a datetime.
            ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
        """
        return await self._ask(
            lookup.find,
            _search(since, options),
            Window.of(offset, limit),
            only_tasks=only_tasks,
            payloads=include_payloads,
        )

    aio_list = async_twin(list)

    @blocking
    async def list_with_pagination(
        self,
        since: datetime | None = None,
        only_tasks: bool = False,
        *,
        include_payloads: bool = True,
        **options: Unpack[RunListOptions],
    ) -> "builtins.list[V1TaskSummary]":
        """Return all that `list` returns page by page.

        Args:
            since: Only runs created at this time or later; by default a day ago.
            only_tasks: Return a row for each task, in place of one for each run.
            include_payloads: Whether rows hold input and outputs.
            options: See `RunListOptions`.

        Raises:
            TypeError: An option is unknown, or a time is not a datetime.
            ValueError: A status is unknown, a list is not a list, or the metadata is not a mapping.
        """
        found = await self._ask(
            lookup.find,
            _search(since, options),
            Window(limit=EVERYTHING),
            only_tasks=only_tasks,
            payloads=include_payloads,
        )
        return found.rows

    aio_list_with_pagination = async_twin(list_with_pagination)

    @blocking
    async def create(
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
            IdempotencyCollisionError: Another run holds the idempotency key; nothing was created.
            InvalidRun: A field is invalid; the text names it.
            RequestRefused: There is no such workflow.
        """
        request = execution.named_request(workflow_name, input, additional_metadata, priority)
        with referring(self._target):
            created = await self._ask(execution.create_named, request)
        return await self._ask(lookup.details_of, created)

    aio_create = async_twin(create)

    @blocking
    async def cancel(self, run_id: RunId) -> None:
        """Cancel the run: its tasks that have not ended end now, and their pods are stopped.

        It returns once the cluster has noted it. A run that has ended stays as it is.

        Args:
            run_id: The run's id, the name of the WorkflowRun object.
        """
        await self._ask(control.cancel, str(run_id))

    aio_cancel = async_twin(cancel)

    @blocking
    async def replay(self, run_id: RunId, failed_only: bool = False) -> WorkflowRunRef:
        """Let the run start over, with the same name, input and workflow; return a reference.

        In this process, `result()` of any reference to the run then waits for the new outcome.

        Args:
            run_id: The run, ended or not; a cancelled one is revived.
            failed_only: Tasks that succeeded keep their outputs: only the others, and all that
                depends on them, run again.
        """
        replayed = await self._ask(control.replay, str(run_id), failed_only=failed_only)
        return WorkflowRunRef(self._target, replayed)

    aio_replay = async_twin(replay)

    @blocking
    async def reset_durable_task(
        self, task_external_id: RunId, node_id: int, branch_id: int | None = None
    ) -> WorkflowRunRef:
        """Let a durable task make a call of its log again, and all calls after it.

        The task starts over, and so do those that depend on it; the others keep their results, or
        go on. The task finds the results of the calls before `node_id` in its log; the child runs
        that it starts from there on are new ones.

        Args:
            task_external_id: `<run>/<task>` as rows have it, `ctx.task_run_id`, or the name of a
                run of one task.
            node_id: Number of the call, from 1, as `podhatch get` shows it.
            branch_id: The branch that the call is of; by default any. Each reset makes a new one,
                in place of the one before.

        Raises:
            RequestRefused: The task has no log, or its log no such call of this branch.
        """
        run = await self._ask(durable_log.reset, str(task_external_id), node_id, branch_id)
        return WorkflowRunRef(self._target, run)

    aio_reset_durable_task = async_twin(reset_durable_task)

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

    @blocking
    async def bulk_cancel(self, opts: BulkCancelReplayOpts) -> builtins.list[str]:
        """Cancel runs as `cancel` does, and return their ids.

        Args:
            opts: The runs, by their ids or by a filter, which matches those that have not ended.

        Raises:
            RequestRefused: There is no run of one of the ids; others may be cancelled by then.
        """
        return await self._ask(control.cancel_many, opts.chosen)

    aio_bulk_cancel = async_twin(bulk_cancel)

    @blocking
    async def bulk_replay(self, opts: BulkCancelReplayOpts) -> builtins.list[str]:
        """Let runs start over as `replay` does, and return their ids.

        Args:
            opts: The runs, by their ids or by a filter.

        Raises:
            RequestRefused: There is no run of one of the ids; others may have started over by then.
        """
        return await self._ask(control.replay_many, opts.chosen)

    aio_bulk_replay = async_twin(bulk_replay)

    @blocking
    async def bulk_cancel_by_filters_with_pagination(
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
        meant = _filter(since, options)
        return await self._ask(control.cancel_many, meant, chunk_size, sleep_time)

    aio_bulk_cancel_by_filters_with_pagination = async_twin(bulk_cancel_by_filters_with_pagination)

    @blocking
    async def bulk_replay_by_filters_with_pagination(
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
        meant = _filter(since, options)
        return await self._ask(control.replay_many, meant, chunk_size, sleep_time)

    aio_bulk_replay_by_filters_with_pagination = async_twin(bulk_replay_by_filters_with_pagination)


def _search(since: datetime | None, options: RunListOptions) -> RunSearch:
    refuse_unknown("hatchet.runs", options, RunListOptions)
    return RunSearch(recent(since), **options)


def _filter(since: datetime | None, options: RunFilterOptions) -> RunFilter:
    refuse_unknown("hatchet.runs", options, RunFilterOptions)
    return RunFilter(recent(since), **options)
