"""The terminal, the moment, and the formats for programs. Used by every command that prints."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import yaml
from rich.console import Console
from rich.table import Table
from rich.text import Text

from podhatch.api.labels import GROUP
from podhatch.api.model import JsonObject
from podhatch.cli.look import ASCII, UNICODE, Look
from podhatch.cli.options import Format
from podhatch.cli.words import printable

PIPE_WIDTH = 200
"""Characters a line where no terminal sets a limit, so that names are whole."""


YAML_WIDTH = 100


class _Output(Console):
    """Rich would end the process where its output is closed; the command does."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


def new_console(*, no_color: bool = False) -> Console:
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
    print(json.dumps(value, indent=2, ensure_ascii=not _holds_unicode()))


def print_yaml(values: Sequence[JsonObject]) -> None:
    """Print YAML documents, in ASCII where the output holds no more."""
    unicode = _holds_unicode()
    text = yaml.safe_dump_all(values, sort_keys=False, allow_unicode=unicode, width=YAML_WIDTH)
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
