"""One run in full, under the names of the Hatchet SDK. Coroutines for the runs client."""

from dataclasses import dataclass
from typing import Any

from podhatch.api.model import JsonObject
from podhatch.api.run import TaskStatus, WorkflowRun
from podhatch.client import objects
from podhatch.client.listing.payloads import outputs_so_far
from podhatch.client.listing.run_rows import (
    Outputs,
    V1TaskSummary,
    error_text,
    run_row,
    task_id,
    task_output,
    task_row,
    tasks_of,
)
from podhatch.client.listing.shape import WorkflowRunShapeItem, shape_of
from podhatch.client.listing.status import ENDED, PHASES, STATES, RunStatus
from podhatch.client.listing.task_events import V1TaskEvent, task_events
from podhatch.client.listing.task_ids import run_and_task
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.starting import by_name
from podhatch.client.starting.by_name import NamedRun
from podhatch.client.target import Target
from podhatch.client.workflows import true_name
from podhatch.cluster import WORKFLOW_RUN


@dataclass(frozen=True)
class V1WorkflowRunDetails:
    """A run with all of its tasks.

    Attributes:
        run: The run's row; of a run of one task it is that task's.
        tasks: A row for each task, in the workflow's order.
        task_events: What has happened to the tasks.
        shape: The graph of the tasks.
        object: The WorkflowRun object as the cluster holds it.
    """

    run: V1TaskSummary
    tasks: list[V1TaskSummary]
    task_events: list[V1TaskEvent]
    shape: list[WorkflowRunShapeItem]
    object: WorkflowRun


@dataclass(frozen=True)
class TaskRunDetail:
    """Where a task stands.

    Attributes:
        external_id: Its id.
        readable_id: Its name.
        status: Where it stands.
        output: What it returned; None while there is nothing.
        error: Why it failed, with the traceback from its pod; None if it did not. (Why a task was
            cancelled is the `error_message` of its row in `runs.get`.)
    """

    external_id: str
    readable_id: str
    status: RunStatus
    output: Any
    error: str | None


@dataclass(frozen=True)
class WorkflowRunDetail:
    """Where a run stands, in short.

    Attributes:
        external_id: Name of the run.
        status: Where it stands.
        input: What it was started with.
        additional_metadata: What it was started with beside that.
        done: Whether it has ended.
        task_runs: The tasks by name; those whose parents have not ended are left out.
    """

    external_id: str
    status: RunStatus
    input: JsonObject
    additional_metadata: dict[str, str]
    done: bool
    task_runs: dict[str, TaskRunDetail]


async def get(target: Target, name: str) -> V1WorkflowRunDetails:
    """Return the run in full."""
    session = await session_of(target)
    return await _details(session, await objects.read(session, WORKFLOW_RUN, WorkflowRun, name))


async def get_details(target: Target, name: str) -> WorkflowRunDetail:
    """Return the run in short."""
    session = await session_of(target)
    run = await objects.read(session, WORKFLOW_RUN, WorkflowRun, name)
    outputs = await outputs_so_far(session, run)
    status = _status(run)
    return WorkflowRunDetail(
        external_id=run.metadata.name,
        status=status,
        input=run.spec.input,
        additional_metadata=run.spec.additional_metadata,
        done=status in ENDED,
        task_runs={
            task.name: _task_detail(run, task, outputs)
            for task in tasks_of(run)
            if task.state != "Pending"
        },
    )


async def get_status(target: Target, name: str) -> RunStatus:
    """Return where the run stands."""
    session = await session_of(target)
    return _status(await objects.read(session, WORKFLOW_RUN, WorkflowRun, name))


async def get_task(target: Target, identity: str) -> V1TaskSummary:
    """Return one task."""
    session = await session_of(target)
    run, task = await run_and_task(session, identity)
    workflow = await true_name(session, run.spec.workflow)
    return task_row(run, task, workflow, await outputs_so_far(session, run))


async def create(target: Target, asked: NamedRun) -> V1WorkflowRunDetails:
    """Create a run, and return it in full."""
    created = await by_name.create(target, asked)
    return await _details(await session_of(target), created)


async def _details(session: Session, run: WorkflowRun) -> V1WorkflowRunDetails:
    outputs = await outputs_so_far(session, run)
    workflow = await true_name(session, run.spec.workflow)
    return V1WorkflowRunDetails(
        run=run_row(run, workflow, outputs),
        tasks=[task_row(run, task, workflow, outputs) for task in tasks_of(run)],
        task_events=task_events(run),
        shape=await shape_of(session, run),
        object=run,
    )


def _status(run: WorkflowRun) -> RunStatus:
    phase = run.status.phase if run.status else None
    return PHASES.get(phase or "", RunStatus.QUEUED)


def _task_detail(run: WorkflowRun, task: TaskStatus, outputs: Outputs) -> TaskRunDetail:
    return TaskRunDetail(
        external_id=task_id(run, task),
        readable_id=task.name,
        status=STATES[task.state],
        output=task_output(task, outputs),
        error=error_text(task) if task.state == "Failed" else None,
    )
