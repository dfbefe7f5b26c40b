"""`podhatch lint`: checks YAML files and modules without a cluster."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import typer
import yaml

from podhatch.api.model import JsonObject
from podhatch.cli.app import app, command
from podhatch.cli.errors import CommandError, ExitCode
from podhatch.cli.lint.check import findings
from podhatch.cli.lint.document import Document, documents
from podhatch.cli.options import GlobalOptions
from podhatch.cli.rendering.console import print_error, print_line
from podhatch.cli.source import find_workflows
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
    """A file or a module, its documents, and the errors from reading it."""

    name: str
    documents: list[Document]
    errors: list[tuple[int | None, str]]
    """Each with its line, if it has one."""

    def place(self, line: int | None) -> str:
        """Return file and line, the beginning of each printed problem."""
        return self.name if line is None else f"{self.name}:{line}"


@command(app)
def lint(options: GlobalOptions, what: What) -> int:
    """Check YAML files and workflows in code. The exit code is 1 if there is a problem.

    Needs no cluster. Checks fields, types, graphs, CEL expressions and cron expressions.
    """
    lines = [line for name in what for line in _problems(_source(name, options))]
    for line in lines:
        print_line(line)
    if not is_installed():
        print_error("note: expressions and graphs are not checked: pip install 'podhatch[local]'")
    return ExitCode.FAILED if lines else ExitCode.SUCCEEDED


def _source(name: str, options: GlobalOptions) -> _Source:
    if name == "-" or name.endswith(SUFFIXES):
        return _read(name)
    if Path(name).exists() and ":" not in name:
        raise CommandError(f"expected a {', '.join(SUFFIXES)} file or module:hatchet, got {name!r}")
    source = _Source(name, [], [])
    for workflow in find_workflows(name, options):
        try:
            source.documents.append(Document(workflow.manifest().workflow))
        except ValueError as error:
            source.errors.append((None, str(error)))
    return source


def _read(name: str) -> _Source:
    source = _Source("stdin" if name == "-" else name, [], [])
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        source.documents.extend(documents(text))
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {source.name}: {error}") from None
    except yaml.MarkedYAMLError as error:
        why = ", ".join(part for part in (error.context, error.problem) if part)
        source.errors.append((error.problem_mark.line + 1 if error.problem_mark else None, why))
    except yaml.YAMLError as error:
        source.errors.append((None, " ".join(str(error).split())))
    return source


def _problems(source: _Source) -> Iterator[str]:
    for line, error in source.errors:
        yield f"{source.place(line)}: {error}"
    for document in source.documents:
        value = document.value
        metadata = value.get("metadata")
        named = isinstance(metadata, dict) and cast("JsonObject", metadata).get("name")
        subject = f"{value.get('kind')} {named or 'without a name'}"
        for finding in findings(value):
            place = source.place(document.line(finding.path))
            yield f"{place}: {subject}: {finding.field}: {finding.message}"
