"""`podhatch lint`: checks YAML files and modules without a cluster."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import typer
import yaml

from podhatch.api.model import JsonObject
from podhatch.cli import exits
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.console import complain, say
from podhatch.cli.definitions import find_workflows
from podhatch.cli.errors import Refused
from podhatch.cli.lint.check import findings
from podhatch.cli.lint.document import Document, documents
from podhatch.cli.place import Place
from podhatch.evaluation.client import is_installed

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
    flaws: list[tuple[int | None, str]]
    """Each with its line, where there is one."""

    def place(self, line: int | None) -> str:
        """Return what stands at the beginning of a complaint."""
        return self.name if line is None else f"{self.name}:{line}"


@command(app)
def lint(place: Place, what: What) -> int:
    """Check YAML files and workflows in code. The exit code is 1 if something is wrong.

    Asks no cluster: unknown and impossible fields, graphs, expressions of CEL and of cron.
    """
    lines = [line for name in what for line in _complaints(_source(name, place))]
    for line in lines:
        say(line)
    if not is_installed():
        complain("note: expressions and graphs were not checked: pip install 'podhatch[local]'")
    return exits.FAILED if lines else exits.SUCCEEDED


def _source(name: str, place: Place) -> _Source:
    if name == "-" or name.endswith(SUFFIXES):
        return _read(name)
    if Path(name).exists() and ":" not in name:
        raise Refused(f"{name}: name a {', '.join(SUFFIXES)} file, or module:hatchet")
    source = _Source(name, [], [])
    for workflow in find_workflows(name, place):
        try:
            source.documents.append(Document(workflow.manifest().workflow))
        except ValueError as error:
            source.flaws.append((None, str(error)))
    return source


def _read(name: str) -> _Source:
    source = _Source("stdin" if name == "-" else name, [], [])
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        source.documents.extend(documents(text))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"{source.name} cannot be read: {error}") from None
    except yaml.MarkedYAMLError as error:
        why = ", ".join(part for part in (error.context, error.problem) if part)
        source.flaws.append((error.problem_mark.line + 1 if error.problem_mark else None, why))
    except yaml.YAMLError as error:
        source.flaws.append((None, " ".join(str(error).split())))
    return source


def _complaints(source: _Source) -> Iterator[str]:
    for line, flaw in source.flaws:
        yield f"{source.place(line)}: {flaw}"
    for document in source.documents:
        value = document.value
        metadata = value.get("metadata")
        named = isinstance(metadata, dict) and cast("JsonObject", metadata).get("name")
        subject = f"{value.get('kind')} {named or 'without a name'}"
        for finding in findings(value):
            place = source.place(document.line(finding.path))
            yield f"{place}: {subject}: {finding.field}: {finding.message}"
