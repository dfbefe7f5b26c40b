"""Lists of runs and of their tasks."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from podhatch.api.names import object_name
from podhatch.api.run import TaskStatus, WorkflowRun
from podhatch.client import paging
from podhatch.client.bounded import gathered
from podhatch.client.listing.payloads import outputs_so_far
from podhatch.client.listing.run_filter import RunFilter
from podhatch.client.listing.run_rows import V1TaskSummary, run_row, task_row, tasks_of
from podhatch.client.listing.status import STATES, phase_selector
from podhatch.client.listing.task_ids import TaskReference, resolved
from podhatch.client.paging import Pagination, Query, Rows, Window, metadata_of
from podhatch.client.parameters import nothing_passes
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.client.workflows import true_names
from podhatch.cluster import WORKFLOW_RUN
from podhatch.values.metadata import metadata_texts


@dataclass(frozen=True)
class RunSearch:
    """Which runs to list, in full.

    Attributes:
        filter: What bulk changes know too.
        worker_id: Node on which the last attempt of one of its tasks ran.
        parent_task_external_id: Id of the task that started them.
        triggering_event_external_id: Id of the event that started them.
    """

    filter: RunFilter
    worker_id: str | None = None
    parent_task_external_id: str | None = None
    triggering_event_external_id: str | None = None


async def find(
    target: Target, search: RunSearch, window: Window, *, only_tasks: bool, payloads: bool
) -> Rows[V1TaskSummary]:
    """Return rows of runs, or with `only_tasks` of their tasks."""
    session = await session_of(target)
    parent = await _parent(session, search)
    if only_tasks:
        found, page = await _find_tasks(session, search, parent, window)
        return Rows(await _rows(session, found, payloads=payloads), page)
    runs, page = await paging.find(session, run_query(search, parent), window)
    return Rows(await _rows(session, [(run, None) for run in runs], payloads=payloads), page)


async def find_names(target: Target, filter: RunFilter) -> list[str]:
    """Return the names of all runs that a filter means."""
    session = await session_of(target)
    query = run_query(RunSearch(filter), None)
    return [run.metadata.name async for run in paging.find_all(session, query)]


def run_query(search: RunSearch, parent: TaskReference | None) -> Query[WorkflowRun]:
    """Return how to list the runs: workflow, phase, parent and event ask the API server."""
    asked = search.filter
    event = search.triggering_event_external_id
    common = (
        phase_selector(asked.statuses) if asked.statuses is not None else "",
        f"spec.parent.run={parent.run}" if parent else "",
        f"spec.trigger.event.id={event}" if event is not None else "",
    )
    workflows = [""]
    if asked.workflow_ids is not None:
        names = {object_name(name) for name in asked.workflow_ids}
        workflows = [f"spec.workflow={name}" for name in sorted(names)]
    if asked.lets_nothing_pass or nothing_passes(event):
        workflows = []
    selectors = [",".join(filter(None, (*common, workflow))) for workflow in workflows]
    since = asked.since.replace(microsecond=0)  # runs are dated to the second
    wanted = metadata_texts("additional_metadata", asked.additional_metadata).items()

    def keep(run: WorkflowRun) -> bool:
        created_at, tasks = metadata_of(run).created_at, tasks_of(run)
        return (
            created_at >= since
            and (asked.until is None or created_at <= asked.until)
            and (not wanted or bool(wanted & run.spec.additional_metadata.items()))
            and (search.worker_id is None or any(each.node == search.worker_id for each in tasks))
            and (parent is None or _is_child(run, parent))
        )

    return Query(WORKFLOW_RUN, WorkflowRun, selectors, keep)


async def _parent(session: Session, search: RunSearch) -> TaskReference | None:
    identity = search.parent_task_external_id
    return None if identity is None else await resolved(session, identity)


def _is_child(run: WorkflowRun, parent: TaskReference) -> bool:
    """Tell whether a task started the run, in whichever attempt."""
    of = run.spec.parent
    return of is not None and of.run == parent.run and parent.task in (None, of.task)


async def _find_tasks(
    session: Session, search: RunSearch, parent: TaskReference | None, window: Window
) -> tuple[list[tuple[WorkflowRun, TaskStatus | None]], Pagination]:
    """Return the tasks in a window of those that the runs hold; a status is asked of each task."""
    statuses = search.filter.statuses
    runs = replace(search, filter=replace(search.filter, statuses=None))
    found: list[tuple[WorkflowRun, TaskStatus | None]] = []
    seen = 0
    async with aclosing(_all_tasks(session, run_query(runs, parent), window.end + 1)) as pairs:
        async for run, task in pairs:
            if statuses is not None and STATES[task.state] not in statuses:
                continue
            if search.worker_id not in (None, task.node):
                continue
            seen += 1
            if seen > window.end:
                break
            if seen > window.offset:
                found.append((run, task))
    found.sort(key=lambda pair: metadata_of(pair[0]).created_at, reverse=True)
    return found, window.page(more=seen > window.end)


async def _all_tasks(
    session: Session, query: Query[WorkflowRun], at_most: int
) -> AsyncGenerator[tuple[WorkflowRun, TaskStatus], None]:
    async with aclosing(paging.find_all(session, query, at_most)) as runs:
        async for run in runs:
            for task in tasks_of(run):
                yield run, task


async def _rows(
    session: Session, found: Sequence[tuple[WorkflowRun, TaskStatus | None]], *, payloads: bool
) -> list[V1TaskSummary]:
    names = await true_names(session, (run.spec.workflow for run, _ in found))
    runs = {run.metadata.name: run for run, _ in found}
    texts = await gathered(outputs_so_far(session, run) for run in runs.values() if payloads)
    outputs = dict(zip(runs, texts, strict=False)) if payloads else {}
    return [
        task_row(run, task, names[run.spec.workflow], outputs.get(run.metadata.name))
        if task
        else run_row(run, names[run.spec.workflow], outputs.get(run.metadata.name))
        for run, task in found
    ]
