"""The page on the architecture names files that exist, and at most 12 for a behaviour."""

import re

import pytest
from podhatch.api.crds import REPOSITORY

PAGE = (REPOSITORY / "docs" / "architecture.md").read_text()
BEHAVIOURS = re.findall(r"^\*\*(.*?)\*\*.*?:\n\n((?:\d+\. .*\n(?: +.*\n)*)+)", PAGE, re.MULTILINE)
CHANGES = PAGE.partition("## Where a change goes")[2]


def missing(text: str) -> list[str]:
    """Return the files and folders in a text that do not exist."""
    paths: list[str] = re.findall(r"`((?:sdk|operator|charts|docs|tests)/[^`*]*)`", text)
    return [path for path in paths if not (REPOSITORY / path).exists()]


def test_the_files_of_the_page_exist():
    assert missing(PAGE) == []


def test_a_file_that_does_not_exist_is_found():
    assert missing("`sdk/podhatch/core/run/plan.py`, `sdk/podhatch/none.py`") == [
        "sdk/podhatch/none.py"
    ]


@pytest.mark.parametrize(("name", "steps"), BEHAVIOURS, ids=[name for name, _ in BEHAVIOURS])
def test_a_behaviour_takes_at_most_twelve_files(name: str, steps: str):
    files = re.findall(r"^\d+\. `([^`]+)`", steps, re.MULTILINE)
    assert 0 < len(files) <= 12, name


def test_six_behaviours_and_eleven_changes_are_described():
    assert len(BEHAVIOURS) == 6
    assert len(re.findall(r"^\| a new .* \|$", CHANGES, re.MULTILINE)) == 11
