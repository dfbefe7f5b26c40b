"""A run as a picture: a block of facts, the tree of its tasks, the tracebacks of those that failed.

Pure: from the objects and the time to something rich can print. Called by get, watch and the demo.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from podhatch.api.run import TaskStatus, WorkflowRun, WorkflowRunSpec, WorkflowRunStatus
from podhatch.cli.arrangement import Parents, Row, arrange
from podhatch.cli.attempts import attempt_number, earlier_attempts
from podhatch.cli.look import STYLES, UNICODE, WIDE, Look
from podhatch.cli.words import duration, moment, printable, shortened

MAX_OUTPUT_WIDTH = 200
MAX_JOINS = 3
"""More parents than this are counted instead of named."""
UNNOTICED_AFTER = timedelta(seconds=10)
"""A run without any status at this age is served by nobody."""


def run_picture(
    run: WorkflowRun, parents: Parents, now: datetime, look: Look = UNICODE
) -> RenderableType:
    """Return the picture of a run as it stands at `now`."""
    status = run.status or WorkflowRunStatus()
    parts: list[RenderableType] = [_facts(run, status, now, look)]
    if status.tasks:
        parts += [Text(), _Tasks(status.tasks, parents, now, look)]
    if any(task.attempts for task in status.tasks):
        parts += [Text("\nEarlier attempts:", "bold"), earlier_attempts(status.tasks)]
    if run.finished:
        parts += [part for task in status.tasks for part in _traceback(task)]
    return Group(*parts)


def _facts(
    run: WorkflowRun, status: WorkflowRunStatus, now: datetime, look: Look
) -> RenderableType:
    phase = status.phase or "Pending"
    facts = {
        "Name": run.metadata.name,
        "Namespace": run.metadata.namespace,
        "Workflow": run.spec.workflow,
        "Started by": _origin(run.spec),
        "Metadata": _metadata(run.spec),
        "Phase": f"{look.icons[phase]} {phase}",
        "Started": moment(status.started_at),
        "Duration": duration(status.started_at, status.finished_at or now),
        "Progress": status.progress or "",
        "Message": _message(run, status, now),
    }
    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value:
            table.add_row(f"{name}:", Text(value, STYLES[phase] if name == "Phase" else ""))
    return table


def _origin(spec: WorkflowRunSpec) -> str:
    """Return what started the run, if no person did."""
    if spec.parent is not None:
        return f"task {spec.parent.task} of run {spec.parent.run}"
    if spec.trigger is not None and spec.trigger.event is not None:
        return printable(f"event {spec.trigger.event.key} ({spec.trigger.event.id})")
    if spec.trigger is not None and spec.trigger.cron is not None:
        return f"cron {spec.trigger.cron.cron}"
    return ""


def _metadata(spec: WorkflowRunSpec) -> str:
    pairs = (f"{key}={value}" for key, value in spec.additional_metadata.items())
    return printable(" ".join(pairs))


def _message(run: WorkflowRun, status: WorkflowRunStatus, now: datetime) -> str:
    """Return what the tree does not tell: why the run waits, or how it ended."""
    created = run.metadata.creation_timestamp
    if run.status is None and created and now - created > UNNOTICED_AFTER:
        return f"no operator has taken it up: does podhatch serve {run.metadata.namespace}?"
    return "" if status.phase == "Running" else printable(status.message or "")


@dataclass(frozen=True)
class _Tasks:
    """The tree of tasks; a narrow terminal does without nodes and attempts."""

    tasks: list[TaskStatus]
    parents: Parents
    now: datetime
    look: Look

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for heading in ("TASK", "STATE", "DURATION", *(("ATTEMPT", "NODE") if wide else ())):
            table.add_column(heading, no_wrap=True, overflow=self.look.overflow)
        table.add_column("OUTPUT OR MESSAGE", overflow="fold")
        by_name = {task.name: task for task in self.tasks}
        for row in arrange(list(by_name), self.parents):
            task = by_name[row.name]
            table.add_row(
                _label(row, task, self.look),
                Text(task.state, STYLES[task.state]),
                _time(task, self.now),
                *((attempt_number(task), task.node or "") if wide else ()),
                _detail(task, self.now, self.look),
            )
        yield table


def _label(row: Row, task: TaskStatus, look: Look) -> Text:
    guides = "".join(look.guides[guide] for guide in row.guides)
    label = Text.assemble((guides, "dim"), (look.icons[task.state], STYLES[task.state]))
    label.append(f" {task.name}")
    if row.joins:
        named = ", ".join(row.joins) if len(row.joins) <= MAX_JOINS else f"{len(row.joins)} tasks"
        label.append(f" {look.arrow} {named}", "dim")
    return label


def _time(task: TaskStatus, now: datetime) -> str:
    """Return how long the task's code ran, or how long it has waited for its pod."""
    if task.state == "Queued":
        return duration(task.queued_at, now)
    return duration(task.started_at, task.finished_at or now)


def _detail(task: TaskStatus, now: datetime, look: Look) -> Text:
    if task.output_ref:
        return Text(f"see tres/{task.output_ref}", "dim")
    if task.output is not None:
        output = shortened(task.output, MAX_OUTPUT_WIDTH, look.ellipsis)
        return Text(output, no_wrap=True, overflow=look.overflow)
    if task.state in ("Pending", "Skipped"):
        return Text(printable(task.message or task.reason or ""), "dim")
    words = printable(": ".join(part for part in (task.reason, task.message) if part))
    if task.next_attempt_at and task.next_attempt_at > now:
        words += f" (again in {duration(now, task.next_attempt_at)})"
    return Text(words)


def _traceback(task: TaskStatus) -> list[RenderableType]:
    if task.error is None or not task.error.traceback:
        return []
    title = Text(f"\nTraceback of task {task.name}, from its pod:", "bold")
    return [title, Text(printable(task.error.traceback.rstrip()))]
