"""What is new in a run since it was last looked at, a line each: for output that is no terminal.

Pure. Called by watch.
"""

from datetime import datetime

from podhatch.api.run import TaskStatus, WorkflowRun
from podhatch.cli.tree import MAX_OUTPUT_WIDTH
from podhatch.cli.words import duration, printable, shortened


def changes(old: WorkflowRun | None, new: WorkflowRun, now: datetime) -> list[str]:
    """Return a line for each task, and one for the run, whose state or reason changed."""
    before = {task.name: _key(task) for task in _tasks(old)}
    lines = [_task_line(task, now) for task in _tasks(new) if before.get(task.name) != _key(task)]
    if old is None or _run_key(old) != _run_key(new):
        lines.append(_run_line(new, now))
    return lines


def _tasks(run: WorkflowRun | None) -> list[TaskStatus]:
    return run.status.tasks if run and run.status else []


def _key(task: TaskStatus) -> tuple[object, ...]:
    return task.state, task.reason, task.attempt


def _run_key(run: WorkflowRun) -> tuple[object, ...]:
    """A run's message repeats its tasks' while it goes on; before that, it is all there is."""
    if run.status is None:
        return ("Pending", None)
    waiting = run.status.phase == "Pending"
    return run.status.phase or "Pending", run.status.message if waiting else None


def _task_line(task: TaskStatus, now: datetime) -> str:
    took = duration(task.started_at, task.finished_at) if task.finished_at else ""
    words = f"{task.reason or ''}: {task.message or ''}".strip(": ")
    told = task.output if task.output is not None else words
    parts = (f"task {task.name}", task.state, took, shortened(told, MAX_OUTPUT_WIDTH, "..."))
    return _line(now, *parts)


def _run_line(run: WorkflowRun, now: datetime) -> str:
    status = run.status
    if status is None:
        return _line(now, f"run {run.metadata.name}", "Pending")
    took = duration(status.started_at, status.finished_at) if status.finished_at else ""
    ended = run.finished or status.phase == "Pending"
    message = " ".join(printable(status.message or "").split()) if ended else ""
    return _line(now, f"run {run.metadata.name}", status.phase or "Pending", took, message)


def _line(now: datetime, *parts: str) -> str:
    return "  ".join((now.astimezone().strftime("%H:%M:%S"), *(part for part in parts if part)))
