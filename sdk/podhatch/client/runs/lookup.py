"""Reads runs and their tasks: one in full, or a list."""

from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from podhatch.api import labels
from podhatch.api.names import object_name
from podhatch.api.result import TaskResult
from podhatch.api.run import WorkflowRun
from podhatch.api.task_status import TaskStatus
from podhatch.api.workflow import WorkflowSpec
from podhatch.client import objects, paging
from podhatch.client.explain import explained
from podhatch.client.paging import Pagination, Query, Rows, Window, metadata_of
from podhatch.client.parameters import nothing_passes
from podhatch.client.runs import rows
from podhatch.client.runs.rows import Outputs, V1TaskSummary, tasks_of
from podhatch.client.runs.selection import ENDED, STATES, RunFilter, RunSearch, phase_selector
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.client.workflows import true_name, true_names
from podhatch.cluster import CONTROLLER_REVISION, JOB, TASK_RESULT, WORKFLOW, ApiError
from podhatch.errors import RequestRefused
from podhatch.values.parsing import metadata_texts


@dataclass(frozen=True)
class TaskReference:
    """Tasks of one run."""

    run: str
    """Name of the run."""
    task: str | None = None
    """Name of the task; None for all of the run."""
    attempt: int | None = None
    """Number of its attempt, from 1; None for all."""


async def resolved(session: Session, identity: str) -> TaskReference:
    """Return what an id stands for; there must be a run or a Job of that name."""
    run, slash, task = identity.partition("/")
    if slash:
        return TaskReference(run, task)
    try:
        await objects.read(session, WorkflowRun, run)
    except RequestRefused:
        found = await _of_job(session, identity)
        if found is None:
            raise
        return found
    return TaskReference(run)


async def run_and_task(session: Session, identity: str) -> tuple[WorkflowRun, TaskStatus]:
    """Return the task of an id, and its run.

    Raises:
        RequestRefused: There is no such task, or it is one of many in a run.
    """
    reference = await resolved(session, identity)
    run = await objects.read(session, WorkflowRun, reference.run)
    tasks = tasks_of(run)
    matching = [task for task in tasks if reference.task in (None, task.name)]
    if len(matching) != 1:
        ids = ", ".join(f"{run.metadata.name}/{task.name}" for task in tasks) or "none yet"
        raise RequestRefused(f"{identity!r} is not the id of one task: its run has {ids}")
    return run, matching[0]


async def _of_job(session: Session, name: str) -> TaskReference | None:
    try:
        job = await session.cluster.get(JOB, session.namespace, name)
    except ApiError:
        return None
    of_job = job["metadata"].get("labels", {})
    if labels.RUN not in of_job:
        return None
    return TaskReference(of_job[labels.RUN], of_job[labels.TASK], int(of_job[labels.ATTEMPT]))


async def outputs_so_far(session: Session, run: WorkflowRun) -> Outputs:
    """Return the outputs of the tasks that have succeeded by now."""
    done = [task for task in tasks_of(run) if task.state == "Succeeded"]
    texts = await objects.gathered(_output_text(session, run, task) for task in done)
    return {task.name: text for task, text in zip(done, texts, strict=True)}


async def _output_text(session: Session, run: WorkflowRun, task: TaskStatus) -> str | None:
    if task.output_ref is None:
        return task.output
    namespace = run.metadata.namespace
    async with session.reading:
        with explained("TaskResult", namespace, task.output_ref):
            result = await session.cluster.get(TASK_RESULT, namespace, task.output_ref)
    return TaskResult.model_validate(result).spec.output


async def find(
    session: Session, search: RunSearch, window: Window, *, only_tasks: bool, payloads: bool
) -> Rows[V1TaskSummary]:
    """Return rows of runs, or with `only_tasks` of their tasks."""
    if only_tasks:
        found, page = await _find_tasks(session, search, window)
    else:
        runs, page = await paging.find(session, await run_query(session, search), window)
        found = [(run, None) for run in runs]
    return Rows(await _rows(session, found, payloads=payloads), page)


async def find_names(session: Session, filter: RunFilter) -> list[str]:
    """Return the names of all runs that a filter matches."""
    query = await run_query(session, RunSearch(**vars(filter)))
    return [run.metadata.name async for run in paging.find_all(session, query)]


async def run_query(session: Session, search: RunSearch) -> Query[WorkflowRun]:
    """Return how to list the runs: workflow, phase, parent and event ask the API server."""
    identity = search.parent_task_external_id
    parent = None if identity is None else await resolved(session, identity)
    event = search.triggering_event_external_id
    common = (
        phase_selector(search.statuses) if search.statuses is not None else "",
        f"spec.parent.run={parent.run}" if parent else "",
        f"spec.trigger.event.id={event}" if event is not None else "",
    )
    workflows = [""]
    if search.workflow_ids is not None:
        names = {object_name(name) for name in search.workflow_ids}
        workflows = [f"spec.workflow={name}" for name in sorted(names)]
    if search.lets_nothing_pass or nothing_passes(event):
        workflows = []
    selectors = [",".join(filter(None, (*common, workflow))) for workflow in workflows]
    since = search.since.replace(microsecond=0)  # runs are dated to the second
    wanted = metadata_texts("additional_metadata", search.additional_metadata).items()

    def keep(run: WorkflowRun) -> bool:
        created_at, tasks = metadata_of(run).created_at, tasks_of(run)
        return (
            created_at >= since
            and (search.until is None or created_at <= search.until)
            and (not wanted or bool(wanted & run.spec.additional_metadata.items()))
            and (search.worker_id is None or any(each.node == search.worker_id for each in tasks))
            and (parent is None or _is_child(run, parent))
        )

    return Query(WorkflowRun, selectors, keep)


def _is_child(run: WorkflowRun, parent: TaskReference) -> bool:
    """Return whether a task started the run, in whichever attempt."""
    of = run.spec.parent
    return of is not None and of.run == parent.run and parent.task in (None, of.task)


async def _find_tasks(
    session: Session, search: RunSearch, window: Window
) -> tuple[list[tuple[WorkflowRun, TaskStatus | None]], Pagination]:
    """Return the tasks in a window; the statuses of the filter are those of tasks."""
    statuses = search.statuses
    query = await run_query(session, replace(search, statuses=None))

    async def tasks() -> AsyncGenerator[tuple[WorkflowRun, TaskStatus | None], None]:
        async with aclosing(paging.find_all(session, query, window.reach)) as runs:
            async for run in runs:
                for task in tasks_of(run):
                    matches = statuses is None or STATES[task.state] in statuses
                    if matches and search.worker_id in (None, task.node):
                        yield run, task

    found, page = await window.of_all(tasks())
    found.sort(key=lambda pair: metadata_of(pair[0]).created_at, reverse=True)
    return found, page


async def _rows(
    session: Session, found: Sequence[tuple[WorkflowRun, TaskStatus | None]], *, payloads: bool
) -> list[V1TaskSummary]:
    names = await true_names(session, (run.spec.workflow for run, _ in found))
    runs = {run.metadata.name: run for run, _ in found}
    durable = await durable_tasks(session, runs.values())
    texts = await objects.gathered(
        outputs_so_far(session, run) for run in runs.values() if payloads
    )
    outputs = dict(zip(runs, texts, strict=False)) if payloads else {}

    def of_run(run: WorkflowRun) -> tuple[str, Outputs | None, frozenset[str]]:
        name = run.metadata.name
        return names[run.spec.workflow], outputs.get(name), durable[name]

    return [
        rows.task_row(run, task, *of_run(run)) if task else rows.run_row(run, *of_run(run))
        for run, task in found
    ]


async def get(session: Session, name: str) -> rows.V1WorkflowRunDetails:
    """Return the run in full."""
    return await details_of(session, await objects.read(session, WorkflowRun, name))


async def get_details(session: Session, name: str) -> rows.WorkflowRunDetail:
    """Return the run in short."""
    run = await objects.read(session, WorkflowRun, name)
    outputs = await outputs_so_far(session, run)
    status = rows.run_status(run)
    return rows.WorkflowRunDetail(
        external_id=run.metadata.name,
        status=status,
        input=run.spec.input,
        additional_metadata=run.spec.additional_metadata,
        done=status in ENDED,
        task_runs={
            task.name: rows.TaskRunDetail(
                external_id=rows.task_id(run, task),
                readable_id=task.name,
                status=STATES[task.state],
                output=rows.task_output(task, outputs),
                error=rows.error_text(task) if task.state == "Failed" else None,
                is_evicted=rows.is_evicted(task),
            )
            for task in tasks_of(run)
            if task.state != "Pending"
        },
    )


async def get_task(session: Session, identity: str) -> V1TaskSummary:
    """Return one task."""
    [row] = await _rows(session, [await run_and_task(session, identity)], payloads=True)
    return row


async def read(target: Target, name: str) -> WorkflowRun:
    """Return the run as the cluster holds it."""
    return await objects.read(await session_of(target), WorkflowRun, name)


async def details_of(session: Session, run: WorkflowRun) -> rows.V1WorkflowRunDetails:
    """Return what `get` returns of the run."""
    outputs = await outputs_so_far(session, run)
    workflow = await true_name(session, run.spec.workflow)
    spec = await _spec(session, run)
    durable = _durable_of(spec)
    return rows.V1WorkflowRunDetails(
        run=rows.run_row(run, workflow, outputs, durable),
        tasks=[rows.task_row(run, task, workflow, outputs, durable) for task in tasks_of(run)],
        task_events=rows.task_events(run),
        shape=_shape(run, spec),
        object=run,
    )


def _shape(run: WorkflowRun, spec: WorkflowSpec | None) -> list[rows.WorkflowRunShapeItem]:
    """Return the graph of the tasks; without edges if the pinned workflow cannot be read."""
    parents = {task.name: task.parents for task in spec.tasks} if spec else {}
    return [
        rows.WorkflowRunShapeItem(
            task_external_id=rows.task_id(run, task),
            task_name=task.name,
            step_id=task.name,
            children_step_ids=[name for name, above in parents.items() if task.name in above],
            parents=parents.get(task.name, []),
        )
        for task in tasks_of(run)
    ]


async def durable_tasks(
    session: Session, runs: Collection[WorkflowRun]
) -> dict[str, frozenset[str]]:
    """Return the names of the durable tasks of each run; none if its revision cannot be read."""
    known = session.durable_tasks
    revisions = {run.metadata.name: run.status.revision or "" for run in runs if run.status}
    of_revision = {revisions[run.metadata.name]: run for run in runs if run.status}
    unknown = [name for name in of_revision if name and name not in known]
    specs = await objects.gathered(_spec(session, of_revision[name]) for name in unknown)
    found = zip(unknown, specs, strict=True)
    known.update({name: _durable_of(spec) for name, spec in found if spec is not None})
    names = (run.metadata.name for run in runs)
    return {name: known.get(revisions.get(name, ""), frozenset()) for name in names}


def _durable_of(spec: WorkflowSpec | None) -> frozenset[str]:
    tasks = spec.tasks if spec is not None else []
    return frozenset(task.name for task in tasks if task.durable is not None)


async def _spec(session: Session, run: WorkflowRun) -> WorkflowSpec | None:
    revision = run.status.revision if run.status else None
    kind, name = (CONTROLLER_REVISION, revision) if revision else (WORKFLOW, run.spec.workflow)
    try:
        stored = await session.cluster.get(kind, run.metadata.namespace, name)
    except ApiError:
        return None
    return WorkflowSpec.model_validate(stored["data"]["spec"] if revision else stored["spec"])
