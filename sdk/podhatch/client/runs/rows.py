"""Runs and their tasks under the names of the Hatchet SDK. Pure.

A run of one task is that task: it has one row, whose id is the run's. A task of a run of many has
the id `<run>/<task>`.
"""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from podhatch.api.model import JsonObject
from podhatch.api.pod import SKIPPED_OUTPUT
from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.api.task_status import AttemptRecord, TaskStatus
from podhatch.client.paging import Metadata, metadata_of
from podhatch.client.runs.selection import PHASES, STATES, RunStatus

_TIMED_OUT = "TimedOut"
_NOT_STARTED = "ScheduleTimedOut"
_REPLAYED = "Replayed"
_OWN_FAILURES = frozenset(
    {"TaskFailed", "ExitCode", "NoReport", "OOMKilled", "OutputTooLarge", "OutputNotJSON"}
)
"""Reasons of attempts that failed by themselves. Any other reason means a lost pod."""

Outputs = dict[str, str | None]
"""JSON texts by task name; None of a task that returned nothing."""


class V1WorkflowType(StrEnum):
    """Whether a row stands for one task, or for a run of many."""

    DAG = "DAG"
    TASK = "TASK"


@dataclass(frozen=True)
class V1TaskSummary:
    """A run, or a task of one."""

    metadata: Metadata
    """Its id is the run's name; of a task of many `<run>/<task>`."""
    display_name: str
    """The run's name; of a task of many the task's."""
    type: V1WorkflowType
    """Whether it stands for one task."""
    status: RunStatus
    """Its status."""
    workflow_id: str
    """Name of the Workflow object."""
    workflow_name: str
    """The workflow's name as its author wrote it."""
    workflow_version_id: str | None
    """The revision of the workflow that it uses; None before it starts."""
    workflow_run_external_id: str
    """Name of the run."""
    task_external_id: str
    """The same as metadata.id."""
    parent_task_external_id: str | None
    """`<run>/<task>` of the task that started the run; None if none did."""
    step_id: str | None
    """Name of the task; None of a run of many."""
    action_id: str | None
    """`<workflow>:<task>`; None of a run of many."""
    worker_id: str | None
    """Node of the last attempt; None before there is one, and of a run of many."""
    attempt: int
    """Number of the last attempt, from 1; 0 before there is one. A durable task that gets a new pod
    after a wait goes on with its attempt."""
    retry_count: int
    """Attempts before the last one."""
    created_at: datetime
    """When the run was created, in UTC."""
    started_at: datetime | None
    """When the code started; of a run of many when it was accepted."""
    finished_at: datetime | None
    """When it ended."""
    duration: int | None
    """Milliseconds from its start to its end; None before that."""
    input: JsonObject | None
    """Of the run; None without payloads."""
    output: Any
    """What the task returned; of a run of many that succeeded what each of its tasks returned, by
    name. None before that, and without payloads."""
    error_message: str | None
    """Why it did not succeed; None if it did."""
    additional_metadata: dict[str, str]
    """Of the run."""
    priority: int | None
    """1 to 3 of the run; None for the workflow's."""
    idempotency_key: str | None
    """Of the run; None if its workflow gives it none."""
    is_durable: bool = False
    """Whether it is a durable task."""
    is_evicted: bool = False
    """Whether it is a durable task that waits without a pod; its status is RUNNING."""
    children: "list[V1TaskSummary]" = field(default_factory=list["V1TaskSummary"])
    """Of a run of many: its tasks."""


class V1TaskEventType(StrEnum):
    """What happened to a task."""

    QUEUED = "QUEUED"
    STARTED = "STARTED"
    FINISHED = "FINISHED"
    FAILED = "FAILED"
    RETRYING = "RETRYING"
    RETRIED_BY_USER = "RETRIED_BY_USER"
    REASSIGNED = "REASSIGNED"
    TIMED_OUT = "TIMED_OUT"
    SCHEDULING_TIMED_OUT = "SCHEDULING_TIMED_OUT"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"
    DURABLE_EVICTED = "DURABLE_EVICTED"
    DURABLE_RESTORING = "DURABLE_RESTORING"


@dataclass(frozen=True)
class V1TaskEvent:
    """Something that happened to a task."""

    event_type: V1TaskEventType
    """What."""
    task_id: str
    """The task's id."""
    task_display_name: str
    """The task's name."""
    timestamp: datetime | None
    """When, in UTC; None where it is not known."""
    attempt: int
    """In which attempt, from 1; 0 before there was one."""
    retry_count: int
    """Attempts before that."""
    message: str
    """The operator's message."""
    error_message: str | None = None
    """Why it failed; None if it did not."""
    worker_id: str | None = None
    """Node of the attempt; None where there is none."""


@dataclass(frozen=True)
class WorkflowRunShapeItem:
    """A task, and what comes after it."""

    task_external_id: str
    """The task's id."""
    task_name: str
    """Its name."""
    step_id: str
    """The same."""
    children_step_ids: list[str]
    """Names of the tasks of which it is a parent."""
    parents: list[str]
    """Names of its parents."""


@dataclass(frozen=True)
class V1WorkflowRunDetails:
    """A run with all of its tasks."""

    run: V1TaskSummary
    """The run's row; of a run of one task it is that task's."""
    tasks: list[V1TaskSummary]
    """A row for each task, in the workflow's order."""
    task_events: list[V1TaskEvent]
    """What has happened to the tasks."""
    shape: list[WorkflowRunShapeItem]
    """The graph of the tasks."""
    object: WorkflowRun
    """The WorkflowRun object as the cluster holds it."""


@dataclass(frozen=True)
class TaskRunDetail:
    """The state of a task."""

    external_id: str
    """Its id."""
    readable_id: str
    """Its name."""
    status: RunStatus
    """Its status."""
    output: Any
    """What it returned; None before that."""
    error: str | None
    """Why it failed, with the traceback from its pod; None if it did not. (The `error_message` of
    its row in `runs.get` says why it was cancelled.)"""
    is_evicted: bool = False
    """Whether it is a durable task that waits without a pod; its status is RUNNING."""


@dataclass(frozen=True)
class WorkflowRunDetail:
    """The state of a run, in short."""

    external_id: str
    """Name of the run."""
    status: RunStatus
    """Its status."""
    input: JsonObject
    """Its input."""
    additional_metadata: dict[str, str]
    """Its metadata."""
    done: bool
    """Whether it has ended."""
    task_runs: dict[str, TaskRunDetail]
    """The tasks by name; those whose parents have not ended are left out."""


def tasks_of(run: WorkflowRun) -> list[TaskStatus]:
    """Return the status of each task; none before the operator has accepted the run."""
    return run.status.tasks if run.status else []


def run_status(run: WorkflowRun) -> RunStatus:
    """Return the status of a run; one without a phase is queued."""
    phase = run.status.phase if run.status else None
    return PHASES.get(phase or "", RunStatus.QUEUED)


def task_id(run: WorkflowRun, task: TaskStatus) -> str:
    """Return the id of a task: that of its run, if it is the only one there."""
    return run.metadata.name if len(tasks_of(run)) == 1 else f"{run.metadata.name}/{task.name}"


def run_row(
    run: WorkflowRun, workflow_name: str, outputs: Outputs | None, durable: Collection[str] = ()
) -> V1TaskSummary:
    """Return the row of a run; without payloads if `outputs` is None.

    `durable` names its durable tasks.
    """
    status = run.status or WorkflowRunStatus()
    rows = [task_row(run, task, workflow_name, outputs, durable) for task in tasks_of(run)]
    if len(rows) == 1:
        return rows[0]
    return V1TaskSummary(
        metadata=metadata_of(run),
        display_name=run.metadata.name,
        type=V1WorkflowType.DAG,
        status=run_status(run),
        **_of_run(run, workflow_name),
        task_external_id=run.metadata.name,
        step_id=None,
        action_id=None,
        worker_id=None,
        attempt=status.replays + 1 if status.started_at else 0,
        retry_count=status.replays,
        started_at=status.started_at,
        finished_at=status.finished_at,
        duration=_milliseconds(status.started_at, status.finished_at),
        input=None if outputs is None else run.spec.input,
        output=_loaded(outputs) if outputs and status.phase == "Succeeded" else None,
        error_message=status.message if status.phase in ("Failed", "Cancelled") else None,
        children=rows,
    )


def task_row(
    run: WorkflowRun,
    task: TaskStatus,
    workflow_name: str,
    outputs: Outputs | None,
    durable: Collection[str] = (),
) -> V1TaskSummary:
    """Return the row of one task of a run; arguments are those of `run_row`."""
    identity = task_id(run, task)
    meta = metadata_of(run)
    return V1TaskSummary(
        metadata=Metadata(identity, meta.created_at, meta.namespace),
        display_name=task.name if "/" in identity else run.metadata.name,
        type=V1WorkflowType.TASK,
        status=STATES[task.state],
        **_of_run(run, workflow_name),
        task_external_id=identity,
        step_id=task.name,
        action_id=f"{workflow_name}:{task.name}",
        worker_id=task.node,
        attempt=task.attempt_number,
        retry_count=max(task.attempt_number - 1, 0),
        started_at=task.started_at,
        finished_at=task.finished_at,
        duration=_milliseconds(task.started_at, task.finished_at),
        input=None if outputs is None else run.spec.input,
        output=None if outputs is None else task_output(task, outputs),
        error_message=error_text(task),
        is_durable=task.name in durable,
        is_evicted=is_evicted(task),
    )


def is_evicted(task: TaskStatus) -> bool:
    """Tell whether a durable task waits without a pod."""
    return task.state == "Waiting"


def earlier_attempts(task: TaskStatus) -> list[AttemptRecord]:
    """Return the attempts before the last one, numbered without resumes.

    Each but the evicted ones is recorded, so they are counted back from the last one.
    """
    if not task.resumes:
        return task.attempts
    records = task.attempts
    between = bool(records) and records[-1].attempt == task.attempt
    last = task.attempt_number - (0 if between else 1)
    return [
        record.model_copy(update={"attempt": max(last - distance, 1)})
        for distance, record in zip(range(len(records) - 1, -1, -1), records, strict=True)
    ]


def task_output(task: TaskStatus, outputs: Outputs) -> Any:
    """Return what a task returned."""
    return SKIPPED_OUTPUT if task.state == "Skipped" else _loaded(outputs).get(task.name)


def error_text(task: TaskStatus) -> str | None:
    """Return why a task did not succeed, with the traceback from its pod."""
    if task.state not in ("Failed", "Cancelled"):
        return None
    if task.error is None:
        return task.message or task.reason
    trace = f"\n{task.error.traceback.rstrip()}" if task.error.traceback else ""
    return f"{task.error.type}: {task.error.message}{trace}"


def _of_run(run: WorkflowRun, workflow_name: str) -> dict[str, Any]:
    """Return what all rows of a run have in common."""
    parent = run.spec.parent
    return {
        "workflow_id": run.spec.workflow,
        "workflow_name": workflow_name,
        "workflow_version_id": run.status.revision if run.status else None,
        "workflow_run_external_id": run.metadata.name,
        "parent_task_external_id": f"{parent.run}/{parent.task}" if parent else None,
        "created_at": metadata_of(run).created_at,
        "additional_metadata": run.spec.additional_metadata,
        "priority": run.spec.priority,
        "idempotency_key": run.spec.idempotency.key if run.spec.idempotency else None,
    }


def _loaded(outputs: Outputs) -> dict[str, Any]:
    return {name: None if text is None else json.loads(text) for name, text in outputs.items()}


def _milliseconds(start: datetime | None, end: datetime | None) -> int | None:
    return round((end - start).total_seconds() * 1000) if start and end else None


def task_events(run: WorkflowRun) -> list[V1TaskEvent]:
    """Return what has happened to the tasks of a run, in the order of the tasks.

    Of a task with many attempts the status holds only the latest.
    """
    return [event for task in tasks_of(run) for event in _events(task_id(run, task), task)]


def _events(identity: str, task: TaskStatus) -> Iterator[V1TaskEvent]:
    for record in earlier_attempts(task):
        yield from _events_of_ended(identity, task.name, record)
    event = partial(
        V1TaskEvent,
        task_id=identity,
        task_display_name=task.name,
        attempt=task.attempt_number,
        retry_count=max(task.attempt_number - 1, 0),
        message=task.message or "",
        worker_id=task.node,
    )
    if is_evicted(task) or task.evicted_at:
        yield event(V1TaskEventType.DURABLE_EVICTED, timestamp=task.evicted_at)
    if task.queued_at:
        if task.evicted_at:
            yield event(V1TaskEventType.DURABLE_RESTORING, timestamp=task.queued_at)
        yield event(V1TaskEventType.QUEUED, timestamp=task.queued_at)
    if task.started_at:
        yield event(V1TaskEventType.STARTED, timestamp=task.started_at)
    if (kind := _end(task)) is not None:
        yield event(kind, timestamp=task.finished_at, error_message=error_text(task))


def _events_of_ended(identity: str, name: str, record: AttemptRecord) -> Iterator[V1TaskEvent]:
    """Yield the events of an attempt that was followed by another."""
    event = partial(
        V1TaskEvent,
        task_id=identity,
        task_display_name=name,
        attempt=record.attempt,
        retry_count=record.attempt - 1,
        message=record.message,
        worker_id=record.node,
    )
    if record.started_at:
        yield event(V1TaskEventType.STARTED, timestamp=record.started_at)
    if record.reason == _TIMED_OUT or record.reason in _OWN_FAILURES:
        error = f"{record.reason}: {record.message}"
        yield event(_failure(record.reason), timestamp=record.finished_at, error_message=error)
        yield event(V1TaskEventType.RETRYING, timestamp=record.finished_at)
    else:
        replayed = record.reason == _REPLAYED
        kind = V1TaskEventType.RETRIED_BY_USER if replayed else V1TaskEventType.REASSIGNED
        yield event(kind, timestamp=record.finished_at)


def _end(task: TaskStatus) -> V1TaskEventType | None:
    match task.state:
        case "Succeeded":
            return V1TaskEventType.FINISHED
        case "Skipped":
            return V1TaskEventType.SKIPPED
        case "Failed":
            return _failure(task.reason)
        case "Cancelled":
            late = task.reason == _NOT_STARTED
            return V1TaskEventType.SCHEDULING_TIMED_OUT if late else V1TaskEventType.CANCELLED
        case _:
            return None


def _failure(reason: str | None) -> V1TaskEventType:
    return V1TaskEventType.TIMED_OUT if reason == _TIMED_OUT else V1TaskEventType.FAILED
