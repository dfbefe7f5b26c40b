"""From what a caller passes to what is to be created: input, options and workflow become requests.

Everything that can be checked is checked here, before a cluster is touched. Nothing waits, and
nothing is read but the source tree that a manifest ships.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from podhatch.definitions.options.idempotency import idempotency_rule
from podhatch.definitions.options.run_options import (
    NO_SCHEDULE_OPTIONS,
    RunSettings,
    ScheduleOptions,
    ScheduleTriggerWorkflowOptions,
    WorkflowRunTriggerConfig,
    run_settings,
)
from podhatch.errors import InvalidRun
from podhatch.task.loading import refuse_run

if TYPE_CHECKING:
    from podhatch.api.cron import CronWorkflow
    from podhatch.api.model import JsonObject
    from podhatch.client.crons import CronOptions
    from podhatch.client.manifest import Publication
    from podhatch.client.runs.request import Child, RunRequest
    from podhatch.client.target import Target
    from podhatch.definitions.graph import TaskGraph
    from podhatch.task import Context


class PreparedRun(NamedTuple):
    """What `podhatch.client.runs.execution` executes."""

    target: "Target"
    publication: "Publication"
    request: "RunRequest"


def prepare_run(
    workflow: "TaskGraph[Any]",
    value: object,
    options: ScheduleTriggerWorkflowOptions,
    flat: ScheduleOptions,
    *,
    start_at: datetime | None = None,
    starting_deadline_seconds: int | None = None,
) -> PreparedRun:
    """Return one run of a workflow; inside a task it is a child run of that task.

    Options come as one object, and by keyword in `flat`.
    """
    refuse_run()
    from podhatch.values.input import dump_input

    values = dump_input(workflow.name, workflow.input_validator, value)
    request = _request(workflow, values, options, flat, start_at, starting_deadline_seconds)
    return PreparedRun(workflow.target, workflow.project.publication([workflow]), request)


def prepare_runs(
    workflow: "TaskGraph[Any]", items: Iterable[WorkflowRunTriggerConfig], *, only_own: bool
) -> "tuple[list[RunRequest], Publication]":
    """Return a run for each item, all of which are checked before the first run is created.

    `only_own` refuses items of other workflows, whose results would be of another type.
    """
    refuse_run()
    from podhatch.values.input import check_input

    if not isinstance(items, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"workflow {workflow.name!r}: run_many: expected a list, got {items!r}")
    items = list(items)
    workflows = [
        _workflow_of(workflow, index, item, only_own=only_own) for index, item in enumerate(items)
    ]
    requests = [
        _request(
            each,
            check_input(each.name, each.input_validator, item.input),
            item.options,
            {"child_key": item.key},
        )
        for each, item in zip(workflows, items, strict=True)
    ]
    return requests, workflow.project.publication(list(dict.fromkeys(workflows)))


def prepare_cron(
    workflow: "TaskGraph[Any]",
    cron_name: str,
    expression: str,
    value: object,
    own: ScheduleOptions,
    cron: "CronOptions",
) -> "tuple[CronWorkflow, Publication]":
    """Return a cron of a workflow; `own` is metadata and priority of its runs."""
    refuse_run()
    from podhatch.client.crons import new_cron
    from podhatch.values.input import dump_input

    settings = _settings(workflow, NO_SCHEDULE_OPTIONS, own, {})
    values = dump_input(workflow.name, workflow.input_validator, value)
    metadata, priority = settings.metadata, settings.priority
    asked = new_cron(workflow.name, cron_name, expression, values, metadata, priority, cron)
    return asked, workflow.project.publication([workflow])


def _request(
    workflow: "TaskGraph[Any]",
    input: "JsonObject",
    options: ScheduleTriggerWorkflowOptions,
    flat: ScheduleOptions,
    start_at: datetime | None = None,
    starting_deadline_seconds: int | None = None,
) -> "RunRequest":
    from podhatch.api.names import object_name
    from podhatch.api.run import WorkflowRunSpec
    from podhatch.client.runs.request import RunRequest
    from podhatch.task import current_context

    parent = current_context()
    if parent is not None and not parent.run_uid:  # it belongs to no run
        parent = None
    inherited = parent.additional_metadata if parent else {}
    settings = _settings(workflow, options, flat, inherited)
    spec = WorkflowRunSpec(
        workflow=object_name(workflow.name),
        input=input,
        additional_metadata=settings.metadata,
        priority=settings.priority,
        start_at=start_at,
        starting_deadline_seconds=starting_deadline_seconds,
    )
    return RunRequest(
        spec,
        child=_child(parent, settings.child_key) if parent else None,
        idempotency=idempotency_rule(workflow.settings.idempotency),
        is_of_stub=workflow.is_stub,
    )


def _settings(
    workflow: "TaskGraph[Any]",
    options: ScheduleTriggerWorkflowOptions,
    flat: ScheduleOptions,
    inherited: Mapping[str, str],
) -> RunSettings:
    defaults = {**workflow.settings.default_additional_metadata, **inherited}
    return run_settings(workflow.name, defaults, options, flat)


def _child(parent: "Context", key: str | None) -> "Child":
    """Return which child of its task the next run is; without a key it takes the next index."""
    from podhatch.client.runs.request import Child

    return Child(
        run=parent.workflow_run_id,
        run_uid=parent.run_uid,
        task=parent.task_name,
        job=parent.task_run_id,
        index=parent.next_child_index() if key is None else None,
        key=key,
    )


def _workflow_of(
    asked: "TaskGraph[Any]", index: int, item: object, *, only_own: bool
) -> "TaskGraph[Any]":
    """Return the workflow of an item: the one asked, or another of the same `Hatchet`."""
    subject = f"workflow {asked.name!r}: run_many"
    if not isinstance(item, WorkflowRunTriggerConfig):
        raise TypeError(f"{subject}: item {index} is {item!r}: make it with create_bulk_run_item()")
    if item.workflow_name == asked.name:
        return asked
    if only_own:
        raise InvalidRun(
            f"{subject}: item {index} is of workflow {item.workflow_name!r}: make it with "
            f"create_bulk_run_item() of {asked.name!r}"
        )
    found = asked.project.workflows.get(item.workflow_name)
    if found is None:
        raise InvalidRun(
            f"{subject}: no workflow {item.workflow_name!r} is defined on the same Hatchet"
        )
    return found
