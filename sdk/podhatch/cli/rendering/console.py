"""Prints lines, tables, JSON and YAML.

Control characters in text from users and pods are escaped where a terminal would obey them; text
for a file or a pipe stays unchanged.
"""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TextIO

import yaml
from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from podhatch.api.labels import GROUP
from podhatch.api.model import JsonObject
from podhatch.cli.options import Format
from podhatch.cli.rendering.format import UNPRINTABLE, WIDE, printable

PIPE_WIDTH = 200
"""Columns of output that is not a terminal, so that names are not cut."""
YAML_WIDTH = 100


class SafeConsole(Console):
    """Prints tables, trees and log lines, without any escape sequence that a text holds."""

    def on_broken_pipe(self) -> None:
        """Raise, so that the command sets the exit code; rich would end the process here."""
        raise BrokenPipeError

    @property
    def prints_to_terminal(self) -> bool:
        """Whether a terminal reads the output."""
        return self.is_terminal or self.file.isatty()

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Return the segments, with their control characters escaped."""
        segments = super().render(renderable, options)
        if not self.prints_to_terminal:
            return segments
        return (
            each if each.control else Segment(printable(each.text), each.style) for each in segments
        )


def print_line(text: str) -> None:
    """Print a line on standard output."""
    _print(text, sys.stdout)


def print_error(text: str) -> None:
    """Print a line on standard error."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    print(printable(text) if stream.isatty() else text, file=stream)


def new_console() -> SafeConsole:
    """Return the console for standard output."""
    console = SafeConsole(highlight=False, emoji=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def is_wide(console: Console) -> bool:
    """Return whether all columns of a table are shown."""
    return console.width >= WIDE


def now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)


def print_raw(value: JsonObject | Sequence[JsonObject], output: Format) -> None:
    """Print an object for programs, or several as a List, as kubectl does."""
    items = [value] if isinstance(value, dict) else value
    if not isinstance(value, dict):
        value = {"apiVersion": "v1", "kind": "List", "items": list(items)}
    for item in items:
        item["metadata"].pop("managedFields", None)
    if output is Format.NAME:
        for item in items:
            print(f"{item['kind'].lower()}.{GROUP}/{item['metadata']['name']}")
    elif output is Format.JSON:
        print_json(value)
    else:
        print_yaml([value])


def print_json(value: object) -> None:
    """Print a value as JSON, in ASCII if the output's encoding is not Unicode."""
    text = json.dumps(value, indent=2, ensure_ascii=not _is_unicode())
    if sys.stdout.isatty():  # the same value: only strings hold such characters
        text = UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    print(text)


def print_yaml(values: Sequence[JsonObject]) -> None:
    """Print YAML documents, in ASCII if the output's encoding is not Unicode."""
    text = yaml.safe_dump_all(
        values, sort_keys=False, allow_unicode=_is_unicode(), width=YAML_WIDTH
    )
    if sys.stdout.isatty() and UNPRINTABLE.search(text):
        text = yaml.safe_dump_all(values, sort_keys=False, width=YAML_WIDTH)
    print(text, end="")


def _is_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")
