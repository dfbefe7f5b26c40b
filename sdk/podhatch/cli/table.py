"""The runs of a namespace as a table, newest first. Pure; called by list."""

from collections.abc import Iterable
from datetime import UTC, datetime

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.cli.look import STYLES, UNICODE, Look
from podhatch.cli.words import duration, shortened

MAX_MESSAGE_WIDTH = 60
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


def newest_first(runs: Iterable[WorkflowRun]) -> list[WorkflowRun]:
    """Return the runs by the time they were created, and those of one second by their start."""
    return sorted(runs, key=_age_key, reverse=True)


def run_table(runs: Iterable[WorkflowRun], now: datetime, look: Look = UNICODE) -> RenderableType:
    """Return a line for each run."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("NAME", "WORKFLOW", "PHASE", "PROGRESS", "AGE", "DURATION"):
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    table.add_column("MESSAGE", overflow="fold")
    for run in newest_first(runs):
        status = run.status or WorkflowRunStatus()
        phase = status.phase or "Pending"
        table.add_row(
            run.metadata.name,
            run.spec.workflow,
            Text(f"{look.icons[phase]} {phase}", STYLES[phase]),
            status.progress or "",
            duration(run.metadata.creation_timestamp, now),
            duration(status.started_at, status.finished_at or now),
            Text(shortened(status.message or "", MAX_MESSAGE_WIDTH, look.ellipsis)),
        )
    return table


def _age_key(run: WorkflowRun) -> tuple[datetime, datetime]:
    started = run.status.started_at if run.status else None
    return run.metadata.creation_timestamp or _LONG_AGO, started or _LONG_AGO
