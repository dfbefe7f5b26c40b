"""`podhatch lint`: checks YAML files and modules without a cluster."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
import yaml

from podhatch.cli import exits
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.definitions import find_workflows
from podhatch.cli.errors import Refused
from podhatch.cli.lint.check import findings
from podhatch.cli.lint.document import Document, documents
from podhatch.cli.lint.rules import is_complete
from podhatch.cli.place import Place

SUFFIXES = (".yaml", ".yml", ".json")

What = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="YAML files, - for stdin, or module:hatchet or file.py:hatchet."
    ),
]


@dataclass(frozen=True)
class _Source:
    """Where documents come from, or why there are none."""

    name: str
    documents: list[Document]
    flaws: list[str]


@command(app)
def lint(place: Place, what: What) -> int:
    """Check YAML files and workflows in code. The exit code is 1 if something is wrong.

    Asks no cluster: unknown and impossible fields, graphs, expressions of CEL and of cron.
    """
    lines = [line for name in what for line in _complaints(_source(name, place))]
    for line in lines:
        print(line)
    if not is_complete():
        print(
            "note: expressions and graphs were not checked: pip install 'podhatch[local]'",
            file=sys.stderr,
        )
    return exits.FAILED if lines else exits.SUCCEEDED


def _source(name: str, place: Place) -> _Source:
    if name == "-" or name.endswith(SUFFIXES):
        return _read("stdin" if name == "-" else name, _text(name))
    if Path(name).exists() and ":" not in name:
        raise Refused(f"{name}: name a {', '.join(SUFFIXES)} file, or module:hatchet")
    made: list[Document] = []
    flaws: list[str] = []
    for workflow in find_workflows(name, place):
        try:
            made.append(Document(workflow.manifest().workflow))
        except ValueError as error:
            flaws.append(str(error))
    return _Source(name, made, flaws)


def _read(name: str, text: str) -> _Source:
    found: list[Document] = []
    try:
        found += documents(text)
    except yaml.YAMLError as error:
        return _Source(name, found, [" ".join(str(error).split())])
    return _Source(name, found, [])


def _text(name: str) -> str:
    if name == "-":
        return sys.stdin.read()
    try:
        return Path(name).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{name} cannot be read: {error}") from None


def _complaints(source: _Source) -> Iterator[str]:
    for flaw in source.flaws:
        yield f"{source.name}: {flaw}"
    for document in source.documents:
        value = document.value
        name = value.get("metadata", {}).get("name") or "without a name"
        for finding in findings(value):
            line = document.line(finding.path)
            place = source.name if line is None else f"{source.name}:{line}"
            yield f"{place}: {value.get('kind')} {name}: {finding.field}: {finding.message}"
