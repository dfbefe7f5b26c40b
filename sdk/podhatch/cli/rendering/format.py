"""How times, texts and states look in a terminal.

Tables and trees are laid out from printable text, and the console prints no other text to a
terminal.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime

from rich.table import Table
from rich.text import Text

from podhatch.api.run import WorkflowRun

WIDE = 100
"""Terminals with at least this many columns show all columns of a table."""

STYLES = {
    "Pending": "dim",
    "Queued": "yellow",
    "Running": "cyan",
    "Waiting": "blue",
    "Succeeded": "green",
    "Skipped": "dim",
    "Failed": "red",
    "Cancelled": "magenta",
}
"""The colour of each phase of a run and each state of a task."""


ICONS = dict(zip(STYLES, "◷◌●◔✔↷✖○", strict=True))
"""The symbol of each phase and state."""
_ASCII = str.maketrans("◷◌●◔✔↷✖○│├└─←…", ".o>z+~x-||`-<~")


def in_ascii(error: UnicodeError) -> tuple[str, int]:
    """Replace symbols that an encoding lacks by similar ones, and other characters by escapes."""
    assert isinstance(error, UnicodeEncodeError), "only output has this handler of errors"
    text = error.object[error.start : error.end].translate(_ASCII)
    return text.encode("ascii", "backslashreplace").decode(), error.end


def new_table(
    headings: Sequence[str],
    rows: Iterable[Sequence[str | Text]],
    *,
    title: str | None = None,
    last_wraps: bool = True,
) -> Table:
    """Return a table without lines, as kubectl prints tables.

    Args:
        headings: Of the columns.
        rows: Their cells; control characters in strings are escaped.
        title: A line above the table.
        last_wraps: Wrap the text of the last column; the others are cut.
    """
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=None,
        padding=(0, 2, 0, 0),
        pad_edge=False,
        header_style="bold",
    )
    for heading in headings:
        table.add_column(heading, no_wrap=True, overflow="ellipsis")
    if last_wraps:
        table.columns[-1].no_wrap, table.columns[-1].overflow = False, "fold"
    for row in rows:
        table.add_row(*(Text(printable(cell)) if isinstance(cell, str) else cell for cell in row))
    return table


def on_one_line(text: str, length: int) -> Text:
    """Return a cell with the text on one line of at most `length` characters, cut to its column."""
    return Text(shortened(text, length), no_wrap=True, overflow="ellipsis")


def phase_text(run: WorkflowRun) -> Text:
    """Return the phase of a run with its symbol, in its colour."""
    phase = (run.status and run.status.phase) or "Pending"
    return Text(f"{ICONS[phase]} {phase}", STYLES[phase])


def duration(begin: datetime | None, end: datetime) -> str:
    """Return the time between two moments, such as 1.2s, 3m05s or 2h10m; empty without a begin.

    Times from the kubelet are whole seconds: between two such times, tenths are not shown.
    """
    if begin is None:
        return ""
    exact = bool(begin.microsecond or end.microsecond)
    # Clocks of two machines differ: a time from the cluster may be in our future.
    seconds = max(0.0, (end - begin).total_seconds())
    whole = round(seconds)
    if exact and seconds < 9.95:
        return f"{seconds:.1f}s"
    if whole == 0:
        return "<1s"
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d"


def local_time(time: datetime | None) -> str:
    """Return a time in the local time zone, to the second."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""


UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that control a terminal or change the direction of text."""


def printable(text: str) -> str:
    """Return the text with each character that controls a terminal written as its escape."""
    return UNPRINTABLE.sub(lambda match: _escape(ord(match[0])), text)


def _escape(number: int) -> str:
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def shortened(text: str, length: int) -> str:
    """Return the text on one line of at most `length` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= length else line[: length - 1] + "…"
