"""Lines of logs as a terminal shows them: each task in its colour. Pure; called by logs."""

import zlib

from rich.text import Text

from podhatch.api.stream import decode_chunk
from podhatch.cli.words import printable
from podhatch.client.logs.run_log import RunLine

COLOURS = (
    "cyan",
    "green",
    "yellow",
    "magenta",
    "blue",
    "bright_red",
    "bright_cyan",
    "bright_green",
)


def shown(line: RunLine, *, chunks: bool) -> Text | None:
    """Return the line with its task and, after the first one, its attempt; None to leave it out.

    Args:
        line: The line.
        chunks: Show what the task streams too.
    """
    text = line.text
    if (chunk := decode_chunk(text)) is not None:
        if not chunks:
            return None
        data = chunk[1]
        text = data if isinstance(data, str) else f"({len(data)} bytes)"
    attempt = f"#{line.attempt}" if line.attempt > 1 else ""
    return Text.assemble(
        (f"{line.task}{attempt}", colour(line.task)), (" | ", "dim"), printable(text)
    )


def colour(task: str) -> str:
    """Return the colour of a task, the same in every call."""
    return COLOURS[zlib.crc32(task.encode()) % len(COLOURS)]
