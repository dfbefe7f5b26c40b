"""Renders a run: its fields, the tree of its tasks, earlier attempts, tracebacks and child runs."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from podhatch.api.run import ACCEPTED, WorkflowRun, WorkflowRunSpec, WorkflowRunStatus
from podhatch.api.task_status import TaskStatus
from podhatch.cli.rendering.format import (
    ICONS,
    STYLES,
    duration,
    local_time,
    new_table,
    on_one_line,
    phase_text,
    printable,
)
from podhatch.cli.rendering.graph import Parents, Row, arrange
from podhatch.client.runs.rows import earlier_attempts

MAX_OUTPUT_WIDTH = 200
MAX_JOINS = 3
"""More parents than this are counted, not named."""
UNSEEN_AFTER = timedelta(seconds=10)
"""No operator serves a run that has no status at this age."""


def run_tree(
    run: WorkflowRun, parents: Parents, now: datetime, *, wide: bool = True
) -> RenderableType:
    """Return the picture of a run at `now`; `wide` shows nodes and attempts of its tasks."""
    status = run.status or WorkflowRunStatus()
    parts: list[RenderableType] = [_fields(run, status, now)]
    if status.tasks:
        parts += [Text(), _tasks(status.tasks, parents, now, wide=wide)]
    if any(task.attempts for task in status.tasks):
        parts += [Text("\nEarlier attempts:", "bold"), _earlier_attempts(status.tasks)]
    if run.finished:
        parts += [part for task in status.tasks for part in _traceback(task)]
    return Group(*parts)


def _fields(run: WorkflowRun, status: WorkflowRunStatus, now: datetime) -> Table:
    metadata = (f"{key}={value}" for key, value in run.spec.additional_metadata.items())
    fields = {
        "Name": run.metadata.name,
        "Namespace": run.metadata.namespace,
        "Workflow": run.spec.workflow,
        "Started by": _origin(run.spec),
        "Key": run.spec.idempotency.key if run.spec.idempotency else "",
        "Metadata": " ".join(metadata),
        "Phase": phase_text(run),
        "Started": local_time(status.started_at),
        "Duration": duration(status.started_at, status.finished_at or now),
        "Progress": status.progress or "",
        "Message": _message(run, status, now),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value:
            table.add_row(f"{name}:", Text(printable(value)) if isinstance(value, str) else value)
    return table


def _origin(spec: WorkflowRunSpec) -> str:
    """Return what started the run, unless a user did."""
    if spec.parent is not None:
        return f"task {spec.parent.task} of run {spec.parent.run}"
    if spec.trigger is not None and spec.trigger.event is not None:
        return f"event {spec.trigger.event.key} ({spec.trigger.event.id})"
    if spec.trigger is not None and spec.trigger.cron is not None:
        return f"cron {spec.trigger.cron.cron}"
    return ""


def _message(run: WorkflowRun, status: WorkflowRunStatus, now: datetime) -> str:
    """Return why the run waits, or how it ended."""
    created = run.metadata.creation_timestamp
    if run.status is None and created and now - created > UNSEEN_AFTER:
        return (
            "no operator has picked up this run: check that podhatch serves namespace "
            f"{run.metadata.namespace}"
        )
    return "" if status.phase == "Running" else why_pending(status)


def why_pending(status: WorkflowRunStatus) -> str:
    """Return a run's message, and that it is about concurrency, as a task's reason says it."""
    conditions = [(each.type, each.reason) for each in status.conditions]
    about = "Concurrency: " if (ACCEPTED, "Concurrency") in conditions else ""
    return f"{about}{status.message}" if status.message else ""


def _tasks(tasks: list[TaskStatus], parents: Parents, now: datetime, *, wide: bool) -> Table:
    """Return the tree of the tasks."""
    by_name = {task.name: task for task in tasks}
    rows: list[tuple[str | Text, ...]] = []
    for row in arrange(list(by_name), parents):
        task = by_name[row.name]
        rows.append(
            (
                _label(row, task),
                Text(task.state, STYLES[task.state]),
                _time(task, now),
                *((_attempt_number(task), task.node or "") if wide else ()),
                _detail(task, now),
            )
        )
    headings = ("TASK", "STATE", "DURATION", *(("ATTEMPT", "NODE") if wide else ()))
    return new_table((*headings, "OUTPUT OR MESSAGE"), rows)


def _label(row: Row, task: TaskStatus) -> Text:
    label = Text.assemble((row.indentation, "dim"), (ICONS[task.state], STYLES[task.state]))
    label.append(f" {task.name}")
    if row.joins:
        named = ", ".join(row.joins) if len(row.joins) <= MAX_JOINS else f"{len(row.joins)} tasks"
        label.append(f" ← {named}", "dim")
    return label


def _time(task: TaskStatus, now: datetime) -> str:
    """Return how long the task's code ran, or how long the task has waited for its pod."""
    if task.state == "Queued":
        return duration(task.queued_at, now)
    return duration(task.started_at, task.finished_at or now)


def _attempt_number(task: TaskStatus) -> str:
    """Return the number of the last attempt, how many were lost, and how often one was resumed."""
    counts = {"lost": task.disruptions, "resumed": task.resumes}
    words = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    return f"{task.attempt_number}{words and f' ({words})'}" if task.attempt else ""


def _detail(task: TaskStatus, now: datetime) -> str | Text:
    if task.output_ref:
        return Text(f"see tres/{task.output_ref}", "dim")
    if task.output is not None:
        return on_one_line(task.output, MAX_OUTPUT_WIDTH)
    if task.state in ("Pending", "Waiting", "Skipped"):
        style = "" if task.state == "Waiting" else "dim"
        return Text(printable(task.message or task.reason or ""), style)
    words = ": ".join(part for part in (task.reason, task.message) if part)
    if task.next_attempt_at and task.next_attempt_at > now:
        words += f" (again in {duration(now, task.next_attempt_at)})"
    return words


def _earlier_attempts(tasks: Sequence[TaskStatus]) -> Table:
    """Return a table of the attempts that ended and were followed by another."""
    rows: list[tuple[str, ...]] = []
    for task in tasks:
        for record in earlier_attempts(task):
            took = duration(record.started_at, record.finished_at) if record.finished_at else ""
            code = f"exit code {record.exit_code}" if record.exit_code else ""
            words = ": ".join(part for part in (record.reason, record.message or code) if part)
            rows.append((task.name, str(record.attempt), took, record.node or "", words))
    return new_table(("TASK", "ATTEMPT", "DURATION", "NODE", "HOW IT ENDED"), rows)


def _traceback(task: TaskStatus) -> list[RenderableType]:
    if task.error is None or not task.error.traceback:
        return []
    title = Text(f"\nTraceback of task {task.name}, from its pod:", "bold")
    return [title, Text(printable(task.error.traceback.rstrip()))]


def child_runs(children: Sequence[WorkflowRun], now: datetime) -> Table:
    """Return a table of child runs, in the given order."""
    rows: list[tuple[str | Text, ...]] = []
    for child in children:
        parent, status = child.spec.parent, child.status or WorkflowRunStatus()
        assert parent is not None, "a child run has a parent"
        which = parent.key or str(parent.index)
        took = duration(status.started_at, status.finished_at or now)
        name, workflow = child.metadata.name, child.spec.workflow
        progress = status.progress or ""
        rows.append((parent.task, which, name, workflow, phase_text(child), progress, took))
    headings = ("TASK", "CHILD", "NAME", "WORKFLOW", "PHASE", "PROGRESS", "DURATION")
    return new_table(headings, rows, title="Child runs:", last_wraps=False)
