"""The methods that let runs start by themselves: at a time, at each tick of a cron, by an event."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Unpack

from podhatch.client.parameters import in_utc
from podhatch.definitions.definition import Definition
from podhatch.definitions.options.run_options import (
    NO_SCHEDULE_OPTIONS,
    Priority,
    ScheduleOptions,
    ScheduleTriggerWorkflowOptions,
    wishes_of,
)
from podhatch.definitions.running.scheduling import ScheduledWorkflow, WorkflowVersion
from podhatch.definitions.task import Input
from podhatch.task.loading import refuse_run
from podhatch.values.duration import Duration, whole_seconds
from podhatch.values.parsing import refuse_unknown

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.crons import CronOptions, CronRequest, CronWorkflows
    from podhatch.client.filters import V1Filter
    from podhatch.client.runs.request import RunRequest


class Triggering(Definition[Input]):
    """Can be started by something else than a call."""

    def schedule(
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
            InvalidRun: The input does not fit; nothing was created.
            RequestRefused: The API server did not accept the run.
            TypeError: `run_at` is no datetime, or there is no such option.
            ValueError: `starting_deadline` is not a duration.
        """
        request = self._scheduled(run_at, input, options, starting_deadline, flat)
        from podhatch.client import background_loop
        from podhatch.client.runs import execution

        started = execution.start(self.target, self._publication(), request)
        return _version(request, background_loop.wait(started))

    async def aio_schedule(
        self,
        run_at: datetime,
        input: "Input | JsonObject | None" = None,
        options: ScheduleTriggerWorkflowOptions | None = NO_SCHEDULE_OPTIONS,
        *,
        starting_deadline: Duration | None = None,
        **flat: Unpack[ScheduleOptions],
    ) -> WorkflowVersion:
        """Do what `schedule` does, in an event loop."""
        request = self._scheduled(run_at, input, options, starting_deadline, flat)
        from podhatch.client import background_loop
        from podhatch.client.runs import execution

        started = execution.start(self.target, self._publication(), request)
        return _version(request, await background_loop.aio_wait(started))

    def create_cron(
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
            ValueError: The expression or an option cannot be.
        """
        own: ScheduleOptions = {"additional_metadata": additional_metadata, "priority": priority}
        request = self._cron(cron_name, expression, input, own, cron)
        from podhatch.client import background_loop, crons, workflows

        background_loop.wait(workflows.publish(self.target, self._publication()))
        return background_loop.wait(crons.create(request))

    async def aio_create_cron(
        self,
        cron_name: str,
        expression: str,
        input: "Input | JsonObject | None" = None,
        additional_metadata: Mapping[str, object] | None = None,
        priority: Priority | int | None = None,
        **cron: "Unpack[CronOptions]",
    ) -> "CronWorkflows":
        """Do what `create_cron` does, in an event loop."""
        own: ScheduleOptions = {"additional_metadata": additional_metadata, "priority": priority}
        request = self._cron(cron_name, expression, input, own, cron)
        from podhatch.client import background_loop, crons, workflows

        await background_loop.aio_wait(workflows.publish(self.target, self._publication()))
        return await background_loop.aio_wait(crons.create(request))

    def create_filter(
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
            ValueError: It cannot be; the text names the field.
        """
        refuse_run()
        from podhatch.client import background_loop, filters

        return background_loop.wait(
            filters.create(self.target, self.name, expression, scope, payload or {})
        )

    async def aio_create_filter(
        self, expression: str, scope: str, payload: Mapping[str, Any] | None = None
    ) -> "V1Filter":
        """Do what `create_filter` does, in an event loop."""
        refuse_run()
        from podhatch.client import background_loop, filters

        return await background_loop.aio_wait(
            filters.create(self.target, self.name, expression, scope, payload or {})
        )

    def _scheduled(
        self,
        run_at: datetime,
        input: object,
        options: ScheduleTriggerWorkflowOptions | None,
        starting_deadline: Duration | None,
        flat: ScheduleOptions,
    ) -> "RunRequest":
        subject = f"workflow {self.name!r}"
        refuse_unknown(subject, flat, ScheduleOptions)
        deadline = None
        if starting_deadline is not None:
            deadline = whole_seconds(f"{subject}: starting_deadline", starting_deadline)
        return self._request(
            input,
            options or NO_SCHEDULE_OPTIONS,
            flat,
            start_at=in_utc(f"{subject}: run_at", run_at),
            starting_deadline_seconds=deadline,
        )

    def _cron(
        self,
        cron_name: str,
        expression: str,
        input: object,
        own: ScheduleOptions,
        cron: "CronOptions",
    ) -> "CronRequest":
        refuse_run()
        subject = f"workflow {self.name!r}: cron {cron_name!r}"
        from podhatch.client.crons import CronOptions, CronRequest, deadline_of
        from podhatch.values.input import dump_input

        refuse_unknown(subject, cron, CronOptions)
        defaults = self.workflow.settings.default_additional_metadata
        wishes = wishes_of(self.name, defaults, NO_SCHEDULE_OPTIONS, own)
        request = CronRequest(
            target=self.target,
            workflow_name=self.name,
            cron_name=cron_name,
            expression=expression,
            input=dump_input(self.name, self.input_validator, input),
            additional_metadata=wishes.metadata,
            priority=wishes.priority,
            time_zone=cron.get("time_zone", "Etc/UTC"),
            concurrency_policy=cron.get("concurrency_policy", "Allow"),
            starting_deadline_seconds=deadline_of(subject, cron),
        )
        request.object()  # what cannot be is told before anything is published
        return request


def _version(request: "RunRequest", run: "JsonObject") -> WorkflowVersion:
    assert request.start_at is not None, "a schedule has a time"
    scheduled = ScheduledWorkflow(str(run["metadata"]["name"]), request.start_at)
    return WorkflowVersion(request.workflow, (scheduled,))
