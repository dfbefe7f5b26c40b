"""Runs as a table, in the order given. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, ConsoleOptions, RenderResult
from rich.table import Table
from rich.text import Text

from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.cli.look import STYLES, UNICODE, WIDE, Look
from podhatch.cli.words import duration, shortened

MAX_MESSAGE_WIDTH = 120


@dataclass(frozen=True)
class RunTable:
    """A line for each run; a narrow terminal does without workflows, which the names tell too."""

    runs: Iterable[WorkflowRun]
    now: datetime
    look: Look = UNICODE
    with_namespace: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        where = ("NAMESPACE",) if self.with_namespace else ()
        more = ("WORKFLOW",) if wide else ()
        for heading in (*where, "NAME", *more, "PHASE", "PROGRESS", "AGE", "DURATION"):
            table.add_column(heading, no_wrap=True, overflow=self.look.overflow)
        table.add_column("MESSAGE")
        for run in self.runs:
            status = run.status or WorkflowRunStatus()
            phase = status.phase or "Pending"
            table.add_row(
                *((run.metadata.namespace,) if self.with_namespace else ()),
                run.metadata.name,
                *((run.spec.workflow,) if wide else ()),
                Text(f"{self.look.icons[phase]} {phase}", STYLES[phase]),
                status.progress or "",
                duration(run.metadata.creation_timestamp, self.now),
                duration(status.started_at, status.finished_at or self.now),
                self._message(status),
            )
        yield table

    def _message(self, status: WorkflowRunStatus) -> Text:
        line = shortened(status.message or "", MAX_MESSAGE_WIDTH, self.look.ellipsis)
        return Text(line, no_wrap=True, overflow=self.look.overflow)
