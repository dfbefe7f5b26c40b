"""`podhatch lint`: checks YAML files and modules without a cluster."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, cast

import typer
import yaml

from podhatch.api.model import JsonObject
from podhatch.cli.app import app, command
from podhatch.cli.errors import CommandError, ExitCode
from podhatch.cli.lint.check import findings
from podhatch.cli.lint.determinism import suspects
from podhatch.cli.lint.document import Document, documents
from podhatch.cli.rendering.console import print_error, print_line
from podhatch.cli.source import find_workflows
from podhatch.client.target import Target
from podhatch.definitions.workflow import Workflow
from podhatch.evaluation.client import is_installed

SUFFIXES = (".yaml", ".yml", ".json")

What = Annotated[
    list[str],
    typer.Argument(
        metavar="FILE...", help="YAML files, - for stdin, or module:hatchet or file.py:hatchet."
    ),
]


@command(app)
def lint(target: Target, what: What) -> int:
    """Check YAML files and workflows in code. The exit code is 1 if there is a problem.

    Needs no cluster. Checks fields, types, graphs, CEL expressions and cron expressions, and the
    code of durable tasks for time, randomness and sleeps outside the log.
    """
    lines = [line for name in what for line in _problems(name, target)]
    for line in lines:
        print_line(line)
    if not is_installed():
        print_error("note: expressions and graphs are not checked: pip install 'podhatch[local]'")
    return ExitCode.FAILED if lines else ExitCode.SUCCEEDED


def _problems(name: str, target: Target) -> Iterator[str]:
    """Yield a line for each problem in a file or a module."""
    if name == "-" or name.endswith(SUFFIXES):
        yield from _problems_of_file(name)
        return
    if Path(name).exists() and ":" not in name:
        raise CommandError(f"expected a {', '.join(SUFFIXES)} file or module:hatchet, got {name!r}")
    for workflow in find_workflows(name, target):
        yield from _suspects(workflow)
        try:
            document = Document(workflow.manifest().workflow)
        except ValueError as error:
            yield f"{name}: {error}"
        else:
            yield from _problems_of(document, name)


def _suspects(workflow: Workflow[Any]) -> Iterator[str]:
    """Yield a line for each call of a durable task that another invocation would make in vain."""
    for task in workflow.tasks:
        if task.is_durable:
            file = inspect.unwrap(task.fn).__code__.co_filename
            for line, message in suspects(task.fn):
                yield f"{file}:{line}: {task.subject}: {message}"


def _problems_of_file(name: str) -> Iterator[str]:
    place = "stdin" if name == "-" else name
    try:
        text = sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
        for document in documents(text):
            yield from _problems_of(document, place)
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"cannot read {place}: {error}") from None
    except yaml.MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        why = ", ".join(part for part in (error.context, error.problem) if part)
        yield f"{place}{line}: {why}"
    except yaml.YAMLError as error:
        yield f"{place}: {' '.join(str(error).split())}"


def _problems_of(document: Document, place: str) -> Iterator[str]:
    value = document.value
    metadata = value.get("metadata")
    named = isinstance(metadata, dict) and cast("JsonObject", metadata).get("name")
    subject = f"{value.get('kind')} {named or 'without a name'}"
    for finding in findings(value):
        line = document.line(finding.path)
        where = place if line is None else f"{place}:{line}"
        yield f"{where}: {subject}: {finding.field}: {finding.message}"
