"""The terminal, the moment, and the formats for programs. Used by every command that prints.

Text that users and pods wrote becomes printable here, where a terminal would obey it; lines that go
into a file or a pipe stay as they are.
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
from rich.table import Table
from rich.text import Text

from podhatch.api.labels import GROUP
from podhatch.api.model import JsonObject
from podhatch.cli.look import ASCII, UNICODE, Look
from podhatch.cli.options import Format
from podhatch.cli.words import UNPRINTABLE, escaped, printable

PIPE_WIDTH = 200
"""Characters a line where no terminal sets a limit, so that names are whole."""


YAML_WIDTH = 100


class _Output(Console):
    """The console of all tables, trees and log lines; it writes no escape sequence of a text."""

    def on_broken_pipe(self) -> None:
        """Let the command end the process; rich would do it here."""
        raise BrokenPipeError

    @property
    def steers(self) -> bool:
        """Whether what is printed reaches a terminal."""
        return self.is_terminal or self.file.isatty()

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render a text with its escape sequences made visible."""
        if self.steers and isinstance(renderable, str):
            renderable = printable(renderable)
        elif self.steers and isinstance(renderable, Text):
            renderable = _printable_text(renderable)
        return super().render(renderable, options)


def _printable_text(text: Text) -> Text:
    """Return the text with escaped characters in the style of what they stand for."""
    places = [match.start() for match in UNPRINTABLE.finditer(text.plain)]
    if not places:
        return text
    shown = text.blank_copy()
    for part in text.divide([cut for place in places for cut in (place, place + 1)]):
        if UNPRINTABLE.match(part.plain):
            part = Text(escaped(part.plain), part.spans[0].style if part.spans else "")
        shown.append_text(part)
    return shown


def say(text: str) -> None:
    """Print a line on standard output."""
    _print(text, sys.stdout)


def complain(text: str) -> None:
    """Print a line on standard error."""
    _print(text, sys.stderr)


def _print(text: str, stream: TextIO) -> None:
    print(printable(text) if stream.isatty() else text, file=stream)


def new_console(*, no_color: bool = False) -> _Output:
    """Return the console for standard output."""
    console = _Output(no_color=no_color or None, highlight=False, emoji=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def look_for(console: Console) -> Look:
    """Return the signs that the console's encoding has."""
    return ASCII if console.options.ascii_only else UNICODE


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


def list_object(items: Iterable[JsonObject]) -> JsonObject:
    """Return the objects as kubectl writes several of them."""
    return {"apiVersion": "v1", "kind": "List", "items": list(items)}


def print_raw(value: JsonObject, output: Format) -> None:
    """Print an object, or a list of them, for programs."""
    items: list[JsonObject] = value.get("items", [value])
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
    """Print a value as JSON, in ASCII where the output holds no more."""
    text = json.dumps(value, indent=2, ensure_ascii=not _holds_unicode())
    if sys.stdout.isatty():  # the same value: only strings hold such characters
        text = UNPRINTABLE.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    print(text)


def print_yaml(values: Sequence[JsonObject]) -> None:
    """Print YAML documents, in ASCII where the output holds no more."""
    unicode = _holds_unicode()
    text = yaml.safe_dump_all(values, sort_keys=False, allow_unicode=unicode, width=YAML_WIDTH)
    if sys.stdout.isatty() and UNPRINTABLE.search(text):
        text = yaml.safe_dump_all(values, sort_keys=False, width=YAML_WIDTH)
    print(text, end="")


def _holds_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().startswith("utf")


def print_table(console: Console, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print texts in columns; the last column may take more lines than one."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != headings[-1], overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console.print(table)
