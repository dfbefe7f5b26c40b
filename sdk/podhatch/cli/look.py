"""The signs and colours of the tree: with all of Unicode, or with ASCII alone."""

from collections.abc import Mapping
from dataclasses import dataclass

from rich.console import OverflowMethod

WIDE = 100
"""Characters a line from which a terminal shows all there is."""

STYLES = {
    "Pending": "dim",
    "Queued": "yellow",
    "Running": "cyan",
    "Succeeded": "green",
    "Skipped": "dim",
    "Failed": "red",
    "Cancelled": "magenta",
}
"""The colour of each phase of a run and each state of a task."""


@dataclass(frozen=True)
class Look:
    """The signs of one kind of terminal."""

    icons: Mapping[str, str]
    """By state or phase."""
    guides: Mapping[str, str]
    """What is drawn for `│`, `├`, `└` and a space."""
    arrow: str
    ellipsis: str
    overflow: OverflowMethod
    """How a line that is too long for its column ends."""


UNICODE = Look(
    icons={
        "Pending": "◷",
        "Queued": "◌",
        "Running": "●",
        "Succeeded": "✔",
        "Skipped": "↷",
        "Failed": "✖",
        "Cancelled": "○",
    },
    guides={"│": "│  ", "├": "├─ ", "└": "└─ ", " ": "   "},
    arrow="←",
    ellipsis="…",
    overflow="ellipsis",
)

ASCII = Look(
    icons={
        "Pending": ".",
        "Queued": "o",
        "Running": ">",
        "Succeeded": "+",
        "Skipped": "~",
        "Failed": "x",
        "Cancelled": "-",
    },
    guides={"│": "|  ", "├": "|- ", "└": "`- ", " ": "   "},
    arrow="<-",
    ellipsis="...",
    overflow="crop",
)
