"""A workflow as the cluster knows it: by name, with its runs, schedules, crons and filters."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Unpack

from podhatch.client.feature import ask
from podhatch.client.parameters import DEFAULT_QUEUE_TTL, in_utc
from podhatch.client.runs.references import ScheduledWorkflow, WorkflowVersion, referring
from podhatch.client.twins import async_twin, blocking, in_background
from podhatch.definitions.options.run_options import (
    NO_SCHEDULE_OPTIONS,
    Priority,
    ScheduleOptions,
    ScheduleTriggerWorkflowOptions,
)
from podhatch.definitions.prepare import prepare_cron, prepare_run
from podhatch.definitions.task import Input
from podhatch.errors import RequestRefused
from podhatch.task.loading import refuse_run
from podhatch.values.duration import Duration, whole_seconds
from podhatch.values.parsing import refuse_unknown

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.crons import CronOptions, CronWorkflows
    from podhatch.client.filters import V1Filter
    from podhatch.client.runs.rows import V1TaskSummary
    from podhatch.client.runs.selection import RunListing
    from podhatch.client.target import Target
    from podhatch.client.workflows import QueueBehavior
    from podhatch.definitions.graph import TaskGraph


class Definition(ABC, Generic[Input]):
    """Something that can be run.

    Attributes:
        name: As the author wrote it; the object's name in the cluster is made from it.
    """

    name: str
    _id: str | None = None

    @property
    @abstractmethod
    def workflow(self) -> "TaskGraph[Input]":
        """The workflow that a run is of; a workflow's own is itself."""

    @property
    def input_validator(self) -> type[Input]:
        """The declared type of the input; EmptyModel by default."""
        return self.workflow.input_validator

    @property
    def input_validator_type(self) -> type[Input]:
        """Another name of `input_validator`."""
        return self.input_validator

    @property
    def is_durable(self) -> bool:
        """Whether any of its tasks is durable."""
        return any(task.is_durable for task in self.workflow.tasks)

    @property
    def target(self) -> "Target":
        """The cluster and namespace it runs in."""
        return self.workflow.target

    def to_yaml(self) -> str:
        """Return what a run would apply, as YAML for `kubectl apply --server-side`.

        Touches no cluster. (Plain `kubectl apply` writes all of an object into an annotation, for
        which a source tree may be too large.)

        Raises:
            ValueError: It has no task, no pod could find a task's code, a task's return type cannot
                be read or used, or the source is too large.
        """
        return self.workflow.manifest().to_yaml()

    @blocking
    async def schedule(
        self,
        run_at: datetime,
        input: "Input | JsonObject | None" = None,
        options: ScheduleTriggerWorkflowOptions | None = NO_SCHEDULE_OPTIONS,
        *,
        starting_deadline: Duration | None = None,
        **flat: Unpack[ScheduleOptions],
    ) -> WorkflowVersion:
        """Create a run that starts at a time. It needs no process of yours to be there then.

        Args:
            run_at: When; without a time zone it is taken as UTC, with a warning. A time that has
                passed is now.
            input: What is declared, or a dict that fits it; by default an EmptyModel.
            options: Metadata and so on.
            starting_deadline: A run that could not start within so long after `run_at`, as the
                operator was away, is cancelled. By default it starts however late.
            flat: The same options by keyword, which count first: see `ScheduleOptions`.

        Returns:
            An object whose `scheduled_workflows[0].id` is the run's name.

        Raises:
            IdempotencyCollisionError: Another run holds the idempotency key; nothing was created.
            InvalidRun: The input does not fit; nothing was created.
            RequestRefused: The API server did not accept the run.
            TypeError: `run_at` is not a datetime, or there is no such option.
            ValueError: `starting_deadline` is not a duration.
        """
        subject = f"workflow {self.name!r}"
        refuse_unknown(subject, flat, ScheduleOptions)
        deadline = None
        if starting_deadline is not None:
            deadline = whole_seconds(f"{subject}: starting_deadline", starting_deadline)
        start_at = in_utc(f"{subject}: run_at", run_at)
        prepared = prepare_run(
            self.workflow,
            input,
            options or NO_SCHEDULE_OPTIONS,
            flat,
            start_at=start_at,
            starting_deadline_seconds=deadline,
        )
        from podhatch.client.runs import execution

        with referring(self.target):
            run = await in_background(execution.start(*prepared))
        scheduled = ScheduledWorkflow(str(run["metadata"]["name"]), start_at)
        return WorkflowVersion(prepared.request.spec.workflow, (scheduled,))

    aio_schedule = async_twin(schedule)

    @blocking
    async def create_cron(
        self,
        cron_name: str,
        expression: str,
        input: "Input | JsonObject | None" = None,
        additional_metadata: Mapping[str, object] | None = None,
        priority: Priority | int | None = None,
        **cron: "Unpack[CronOptions]",
    ) -> "CronWorkflows":
        """Create a cron, at each tick of which a run starts. The same one again is that one.

        Args:
            cron_name: Its name, unique among the crons of the workflow.
            expression: Five fields (minute, hour, day of month, month, day of week), or one of
                @hourly, @daily, @weekly, @monthly, @yearly.
            input: Of each run: what is declared, or a dict that fits it.
            additional_metadata: Texts that travel with each run to every task.
            priority: 1 (low) to 3 (high) of each run; by default the workflow's.
            cron: See `CronOptions`.

        Raises:
            InvalidRun: The input does not fit; nothing was created.
            RequestRefused: Another cron has this name, or the cluster does not let you.
            TypeError: There is no such option.
            ValueError: The expression or an option is not valid.
        """
        own: ScheduleOptions = {"additional_metadata": additional_metadata, "priority": priority}
        asked, publication = prepare_cron(self.workflow, cron_name, expression, input, own, cron)
        from podhatch.client import crons, workflows

        await ask(self.target, workflows.published, publication)
        return await ask(self.target, crons.create, self.name, asked)

    aio_create_cron = async_twin(create_cron)

    @blocking
    async def create_filter(
        self, expression: str, scope: str, payload: Mapping[str, Any] | None = None
    ) -> "V1Filter":
        """Create a filter: events of `on_events` and this scope start a run if it lets them.

        Args:
            expression: CEL over `input` (the event's payload), `payload` (the filter's),
                `additional_metadata`, `event_id` and `event_key`.
            scope: Of the events it is asked for.
            payload: For the expression, and for tasks, which read it as `ctx.filter_payload`.

        Raises:
            RequestRefused: The cluster does not let you.
            ValueError: It is not valid; the message names the field.
        """
        refuse_run()
        from podhatch.client import filters

        wanted = filters.new_filter(self.name, expression, scope, payload or {})
        return await ask(self.target, filters.create, wanted)

    aio_create_filter = async_twin(create_filter)

    @property
    def id(self) -> str:
        """Name of the Workflow object, once the cluster holds it.

        Raises:
            ValueError: It does not: nothing has published the workflow yet.
        """
        if self._id is None:
            try:
                self._id = self._stored_id()
            except RequestRefused as error:
                raise ValueError(f"workflow {self.name!r} is not registered: {error}") from None
        return self._id

    @blocking
    async def _stored_id(self) -> str:
        from podhatch.api.names import object_name
        from podhatch.api.workflow import Workflow
        from podhatch.client import objects

        stored = await ask(self.target, objects.read, Workflow, object_name(self.name))
        return stored.metadata.name

    @blocking
    async def list_runs(
        self,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 100,
        offset: int | None = None,
        *,
        only_tasks: bool = False,
        **listing: "Unpack[RunListing]",
    ) -> "list[V1TaskSummary]":
        """Return runs of this, the newest first.

        Args:
            since: Runs created before are left out; by default a day ago.
            until: Runs created later are left out.
            limit: At most so many are returned.
            offset: So many are left out at the beginning.
            only_tasks: Return a row for each task, in place of one for each run.
            listing: See `RunListing`.

        Raises:
            RequestRefused: The cluster does not let you.
            TypeError: There is no such option, or a time is not a datetime.
            ValueError: There is no such status, or a list or mapping of an option is not one.
        """
        from podhatch.client.paging import Window
        from podhatch.client.runs import lookup
        from podhatch.client.runs.selection import RunListing, RunSearch, recent

        refuse_unknown(f"workflow {self.name!r}: list_runs", listing, RunListing)
        search = RunSearch(recent(since), until=until, workflow_ids=[self.name], **listing)
        window = Window.of(offset, limit)
        found = await ask(
            self.target, lookup.find, search, window, only_tasks=only_tasks, payloads=True
        )
        return found.rows

    aio_list_runs = async_twin(list_runs)

    @blocking
    async def pause(
        self,
        queue_ttl: Duration = DEFAULT_QUEUE_TTL,
        paused_workflow_cron_run_queue_behavior: "QueueBehavior" = "QUEUE",
        paused_workflow_scheduled_run_queue_behavior: "QueueBehavior" = "QUEUE",
    ) -> None:
        """Pause the workflow: runs that have started continue, others wait until `unpause`.

        Pausing it again changes the options; publishing the workflow does not unpause it.

        Args:
            queue_ttl: A run that has waited for so long since its creation is cancelled.
            paused_workflow_cron_run_queue_behavior: Whether a tick of a cron creates a run, which
                waits (QUEUE), or none (DROP).
            paused_workflow_scheduled_run_queue_behavior: Whether a scheduled run waits once its
                time has come (QUEUE), or is cancelled (DROP).

        Raises:
            RequestRefused: The cluster does not hold the workflow, or does not let you.
            ValueError: An option is not valid.
        """
        from podhatch.client import workflows

        await ask(
            self.target,
            workflows.pause,
            self.name,
            queue_ttl,
            paused_workflow_cron_run_queue_behavior,
            paused_workflow_scheduled_run_queue_behavior,
        )

    aio_pause = async_twin(pause)

    @blocking
    async def unpause(self) -> None:
        """Unpause the workflow: all its waiting runs start.

        Raises:
            RequestRefused: The cluster does not hold the workflow, or does not let you.
        """
        from podhatch.client import workflows

        await ask(self.target, workflows.unpause, self.name)

    aio_unpause = async_twin(unpause)

    @blocking
    async def delete(self) -> None:
        """Delete the workflow from the cluster, and with it its crons, filters and runs.

        Raises:
            RequestRefused: The cluster does not hold it, or does not let you.
        """
        from podhatch.client import workflows

        self._id = None
        await ask(self.target, workflows.delete, self.name)

    aio_delete = async_twin(delete)
