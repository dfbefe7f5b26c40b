"""The pages of the documentation, and the blocks of code in them."""

import re
from pathlib import Path

from podhatch.api.crds import REPOSITORY

PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> dict[str, str]:
    """Return the blocks of a language in all pages, by page and number."""
    found: dict[str, str] = {}
    for page in PAGES:
        texts = [match[2] for match in _BLOCK.finditer(page.read_text()) if match[1] == language]
        found |= {f"{name(page)}#{number}": text for number, text in enumerate(texts, start=1)}
    return found


def name(page: Path) -> str:
    """Return a page's path in the repository."""
    return page.relative_to(REPOSITORY).as_posix()
