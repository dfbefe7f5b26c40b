"""The page on the command line names every command, with examples that parse, and every code."""

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from podhatch.api.crds import REPOSITORY
from podhatch.cli.commands import app
from podhatch.cli.errors import ExitCode
from typer.main import get_command

PAGE = (REPOSITORY / "docs" / "cli.md").read_text()
ROWS = re.findall(r"^\| `([a-z ]+)` \| .*? \| `podhatch (.*)` \|$", PAGE, re.MULTILINE)
INDENTED = re.findall(r"^    podhatch (.*?)(?: >.*)?$", PAGE, re.MULTILINE)


def commands(group: Any, before: str = "") -> Iterator[str]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, f"{before}{name} ")
        else:
            yield f"{before}{name}"


def parse(words: list[str]) -> str:
    """Return the name of the command that these words call; nothing is run."""
    command: Any = get_command(app)
    context, names = None, list[str]()
    while hasattr(command, "commands"):
        name = words[0]
        command, words = command.commands[name], words[1:]
        names.append(name)
    with command.make_context(names[-1], list(words), parent=context):
        return " ".join(names)


def test_every_command_has_its_row():
    assert sorted(name for name, _ in ROWS) == sorted(commands(get_command(app)))


@pytest.mark.parametrize(("name", "example"), ROWS, ids=[name for name, _ in ROWS])
def test_an_example_is_a_call_of_its_command(name: str, example: str):
    assert parse(shlex.split(example)) == name


@pytest.mark.parametrize("example", INDENTED)
def test_a_call_in_the_text_parses(example: str):
    assert parse(shlex.split(example))


def test_every_exit_code_is_told():
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert told == set(ExitCode)
