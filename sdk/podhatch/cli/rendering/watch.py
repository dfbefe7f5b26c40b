"""Shows a run: once, live in a terminal, or as a line for each change.

rich draws the live picture in its own thread, so that durations advance between changes.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import datetime

from rich.console import Console, RenderableType
from rich.live import Live

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.task_status import TaskStatus
from podhatch.cli.lookup import find_children, find_durable_logs, find_parents
from podhatch.cli.rendering.console import is_wide, now
from podhatch.cli.rendering.durable_log import durable_log
from podhatch.cli.rendering.format import duration, printable, shortened
from podhatch.cli.rendering.tree import MAX_OUTPUT_WIDTH, child_runs, run_tree, why_pending
from podhatch.client.runs.rows import tasks_of
from podhatch.client.waiting import states
from podhatch.cluster import ClusterApi

REFRESHES_PER_SECOND = 5


async def print_run(console: Console, cluster: ClusterApi, run: WorkflowRun) -> None:
    """Print the picture of a run, and its child runs."""
    parents = await find_parents(cluster, run)
    console.print(run_tree(run, parents, now(), wide=is_wide(console)))
    for task, pages in (await find_durable_logs(cluster, run)).items():
        for part in durable_log(task, pages, now()):
            console.print(part)
    if children := await find_children(cluster, run):
        console.print()
        console.print(child_runs(children, now()))


async def watch_run(console: Console, cluster: ClusterApi, run: JsonObject) -> WorkflowRun:
    """Show a run until it ends, and return its last state."""
    async with aclosing(states(cluster, run)) as seen:
        runs = (WorkflowRun.model_validate(state) async for state in seen)
        if console.is_terminal:
            return await _watch_live(console, cluster, runs)
        return await _watch_lines(console, runs)


async def _watch_live(
    console: Console, cluster: ClusterApi, runs: AsyncIterator[WorkflowRun]
) -> WorkflowRun:
    run = await anext(runs)
    parents = await find_parents(cluster, run)

    def picture() -> RenderableType:
        return run_tree(run, parents, now(), wide=is_wide(console))

    live = Live(console=console, get_renderable=picture, refresh_per_second=REFRESHES_PER_SECOND)
    with live:
        async for state in runs:
            pinned = state.status and state.status.revision
            if pinned and pinned != (run.status and run.status.revision):
                parents = await find_parents(cluster, state)
            run = state
    return run


async def _watch_lines(console: Console, runs: AsyncIterator[WorkflowRun]) -> WorkflowRun:
    run: WorkflowRun | None = None
    async for state in runs:
        for line in changes(run, state, now()):
            console.print(line, soft_wrap=True)
        run = state
    assert run is not None, "following a run yields it at least once"
    return run


def changes(old: WorkflowRun | None, new: WorkflowRun, now: datetime) -> list[str]:
    """Return a line for each task, and one for the run, whose state or reason changed."""
    before = {task.name: _task_key(task) for task in (tasks_of(old) if old else ())}
    lines = [
        _task_line(task, now) for task in tasks_of(new) if before.get(task.name) != _task_key(task)
    ]
    if old is None or _run_key(old) != _run_key(new):
        lines.append(_run_line(new, now))
    return lines


def _task_key(task: TaskStatus) -> tuple[object, ...]:
    return task.state, task.reason, task.attempt


def _run_key(run: WorkflowRun) -> tuple[object, ...]:
    """Include the message only while the run is pending; later it repeats the tasks' messages."""
    if run.status is None:
        return ("Pending", None)
    waiting = run.status.phase == "Pending"
    return run.status.phase or "Pending", run.status.message if waiting else None


def _task_line(task: TaskStatus, now: datetime) -> str:
    took = duration(task.started_at, task.finished_at) if task.finished_at else ""
    words = f"{task.reason or ''}: {task.message or ''}".strip(": ")
    text = task.output if task.output is not None else words
    parts = (f"task {task.name}", task.state, took, shortened(text, MAX_OUTPUT_WIDTH))
    return _line(now, *parts)


def _run_line(run: WorkflowRun, now: datetime) -> str:
    status = run.status
    if status is None:
        return _line(now, f"run {run.metadata.name}", "Pending")
    took = duration(status.started_at, status.finished_at) if status.finished_at else ""
    ended = run.finished or status.phase == "Pending"
    message = " ".join(printable(why_pending(status)).split()) if ended else ""
    return _line(now, f"run {run.metadata.name}", status.phase or "Pending", took, message)


def _line(now: datetime, *parts: str) -> str:
    return "  ".join((now.astimezone().strftime("%H:%M:%S"), *(part for part in parts if part)))
