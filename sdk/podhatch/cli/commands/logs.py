"""`podhatch logs`: what the pods of a run have written, each task in its own colour.

Colours that a pod wrote are kept, as kubectl and journalctl keep them; no other escape sequence
reaches the terminal.
"""

import re
import zlib
from contextlib import aclosing
from typing import Annotated

import typer
from rich.ansi import AnsiDecoder
from rich.text import Text

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.stream import decode_chunk
from podhatch.cli.app import app, command
from podhatch.cli.errors import CommandError
from podhatch.cli.lookup import find_run
from podhatch.cli.options import Run
from podhatch.cli.rendering.console import new_console, print_error
from podhatch.cli.rendering.format import printable
from podhatch.client.logs import RunLine
from podhatch.client.logs import follow as follow_log
from podhatch.client.logs import read as read_log
from podhatch.client.runs.rows import tasks_of
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.values.parsing import did_you_mean

COLOURS = (
    *("cyan", "green", "yellow", "magenta", "blue"),
    *("bright_red", "bright_cyan", "bright_green"),
)

_COLOUR_SEQUENCE = re.compile("(\x1b\\[[0-9;]{0,64}m)")

Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Continue until the run ends, retries included.")
]
Task = Annotated[str | None, typer.Option("--task", "-t", help="Only this task.")]
Chunks = Annotated[bool, typer.Option("--chunks", help="Include the chunks that tasks stream.")]


@command(app)
async def logs(
    target: Target,
    run: Run,
    follow: Follow = False,
    task: Task = None,
    chunks: Chunks = False,
) -> None:
    """Print the logs of a run's pods, of all attempts whose pods still exist.

    Pods, and their logs with them, are deleted an hour after they end, unless the chart's value
    cleanUp.jobTTLSeconds sets another time.
    """
    session = await session_of(target)
    raw = await find_run(session.cluster, session.namespace, run)
    _check_task(raw, task)
    console = new_console()
    count = 0
    async with aclosing((follow_log if follow else read_log)(session, raw, task)) as lines:
        async for line in lines:
            count += 1
            if (text := text_of(line, chunks=chunks)) is None:
                continue
            if console.prints_to_terminal:
                console.print(coloured_line(line, text), soft_wrap=True)
            else:
                print(f"{_label(line)} | {text}", flush=True)
    if not count:
        print_error(
            "no logs: the pods have written nothing, or are deleted; pods of cancelled tasks are "
            "deleted at once"
        )


def _check_task(raw: JsonObject, task: str | None) -> None:
    names = [each.name for each in tasks_of(WorkflowRun.model_validate(raw))]
    if task is not None and names and task not in names:
        name = raw["metadata"]["name"]
        raise CommandError(f"run {name} has no task {task}{did_you_mean(task, names)}")


def text_of(line: RunLine, *, chunks: bool) -> str | None:
    """Return what a pod wrote; None for a streamed chunk unless `chunks`."""
    if (chunk := decode_chunk(line.text)) is None:
        return line.text
    if not chunks:
        return None
    data = chunk[1]
    return data if isinstance(data, str) else f"({len(data)} bytes)"


def coloured_line(line: RunLine, text: str) -> Text:
    """Return the text with its task, in the colours that the pod set; all other controls escaped.

    Args:
        line: The line.
        text: What to show of it.
    """
    parts = _COLOUR_SEQUENCE.split(text)
    shown = (each if _COLOUR_SEQUENCE.fullmatch(each) else printable(each) for each in parts)
    coloured = AnsiDecoder().decode_line("".join(shown))
    return Text.assemble((_label(line), colour_of(line.task)), (" | ", "dim"), coloured)


def colour_of(task: str) -> str:
    """Return the colour of a task, the same in every call."""
    return COLOURS[zlib.crc32(task.encode()) % len(COLOURS)]


def _label(line: RunLine) -> str:
    """Return the task, and its attempt after the first."""
    return f"{line.task}#{line.attempt}" if line.attempt > 1 else line.task
