"""What of a task's attempts is shown: the number of the last one, and a table of those before it.

Pure. Called by the tree.
"""

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from podhatch.api.run import TaskStatus
from podhatch.cli.words import duration, printable


def attempt_number(task: TaskStatus) -> str:
    """Return the number of the last attempt, and how many were lost through no fault of theirs."""
    lost = f" ({task.disruptions} lost)" if task.disruptions else ""
    return f"{task.attempt}{lost}" if task.attempt else ""


def earlier_attempts(tasks: Sequence[TaskStatus]) -> Table:
    """Return the attempts that ended and were followed by another."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in ("TASK", "ATTEMPT", "DURATION", "NODE"):
        table.add_column(heading, no_wrap=True)
    table.add_column("HOW IT ENDED", overflow="fold")
    for task in tasks:
        for record in task.attempts:
            took = duration(record.started_at, record.finished_at) if record.finished_at else ""
            code = f"exit code {record.exit_code}" if record.exit_code else ""
            told = ": ".join(part for part in (record.reason, record.message or code) if part)
            table.add_row(
                task.name, str(record.attempt), took, record.node or "", Text(printable(told))
            )
    return table
