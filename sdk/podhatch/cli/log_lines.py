"""Lines of logs as a terminal shows them: each task in its colour. Pure.

Colours that a pod wrote are kept, as kubectl and journalctl keep them; no other escape sequence
reaches the terminal.
"""

import re
import zlib

from rich.ansi import AnsiDecoder
from rich.text import Text

from podhatch.api.stream import decode_chunk
from podhatch.cli.words import printable
from podhatch.client.logs import RunLine

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


_SGR = re.compile("\x1b\\[[0-9;]{0,64}m")


def shown(line: RunLine, *, chunks: bool) -> Text | None:
    """Return the line with its task and, after the first one, its attempt; None to leave it out.

    Args:
        line: The line.
        chunks: Show what the task streams too.
    """
    text = _raw(line, chunks=chunks)
    if text is None:
        return None
    return Text.assemble((_label(line), colour(line.task)), (" | ", "dim"), _coloured(text))


def piped(line: RunLine, *, chunks: bool) -> str | None:
    """Return the same line for a file or a pipe: nothing in it is changed."""
    text = _raw(line, chunks=chunks)
    return None if text is None else f"{_label(line)} | {text}"


def _coloured(text: str) -> Text:
    """Return what a pod wrote, in the colours that it set, with all else made printable."""
    parts: list[str] = []
    end = 0
    for match in _SGR.finditer(text):
        parts += printable(text[end : match.start()]), match[0]
        end = match.end()
    return AnsiDecoder().decode_line("".join((*parts, printable(text[end:]))))


def _raw(line: RunLine, *, chunks: bool) -> str | None:
    """Return what the pod wrote in this line; None when it is streamed and not wanted."""
    text = line.text
    if (chunk := decode_chunk(text)) is not None:
        if not chunks:
            return None
        data = chunk[1]
        text = data if isinstance(data, str) else f"({len(data)} bytes)"
    return text


def _label(line: RunLine) -> str:
    return f"{line.task}#{line.attempt}" if line.attempt > 1 else line.task


def colour(task: str) -> str:
    """Return the colour of a task, the same in every call."""
    return COLOURS[zlib.crc32(task.encode()) % len(COLOURS)]
