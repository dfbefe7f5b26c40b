"""Each example is one idea: short, and honest about how it is run."""

from pathlib import Path

import pytest

from tests.unit.docs.examples import EXAMPLES, SCRIPTS, description

EACH_SCRIPT = pytest.mark.parametrize("name", SCRIPTS)
LARGE = ("orders.py",)


@EACH_SCRIPT
def test_an_example_says_how_to_run_it(name: str):
    assert f"python examples/{name}" in description(SCRIPTS[name])


@EACH_SCRIPT
def test_an_example_has_at_most_70_lines(name: str):
    if name not in LARGE:
        assert len(SCRIPTS[name].read_text().splitlines()) <= 70


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.name)
def test_a_manifest_says_how_to_apply_it(path: Path):
    assert f"kubectl apply -f examples/{path.name}" in path.read_text()
