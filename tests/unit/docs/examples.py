"""The example programs, and what each says of itself: how to start it, and what it prints."""

import ast
import textwrap
from pathlib import Path

from podhatch.api.crds import REPOSITORY

EXAMPLES = REPOSITORY / "examples"
SCRIPTS = {path.name: path for path in sorted(EXAMPLES.glob("*.py"))}


def description(script: Path) -> str:
    """Return a program's docstring."""
    return ast.get_docstring(ast.parse(script.read_text())) or ""


def printed(script: Path) -> list[str]:
    """Return the lines that a program prints, as its docstring says at its end."""
    _, _, lines = description(script).rpartition("prints:\n\n")
    return textwrap.dedent(lines).splitlines() if "prints:\n" in description(script) else []
