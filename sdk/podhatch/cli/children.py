"""The runs that a run's tasks asked for, a line each. Pure; called by get."""

from collections.abc import Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.cli.look import STYLES, Look
from podhatch.cli.words import duration


def child_runs(children: Sequence[WorkflowRun], now: datetime, look: Look) -> Table:
    """Return the table of child runs, in the order given."""
    table = Table(
        title="Child runs:",
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        header_style="bold",
    )
    for heading in ("TASK", "CHILD", "NAME", "WORKFLOW", "PHASE", "PROGRESS", "DURATION"):
        table.add_column(heading, no_wrap=True, overflow=look.overflow)
    for child in children:
        parent, status = child.spec.parent, child.status or WorkflowRunStatus()
        assert parent is not None, "a child run has a parent"
        phase = status.phase or "Pending"
        table.add_row(
            parent.task,
            parent.key or str(parent.index),
            child.metadata.name,
            child.spec.workflow,
            Text(f"{look.icons[phase]} {phase}", STYLES[phase]),
            status.progress or "",
            duration(status.started_at, status.finished_at or now),
        )
    return table
