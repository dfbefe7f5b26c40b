"""The tests that the pages show pass, each block as a file of its own."""

import subprocess
import sys
from pathlib import Path

from tests.unit.docs.pages import blocks

SETTINGS = """\
[pytest]
filterwarnings = error
asyncio_default_fixture_loop_scope = function
"""
TESTS = {place: text for place, text in blocks("python").items() if "\ndef test_" in text}


def test_the_tests_of_the_pages_pass(tmp_path: Path):
    for number, text in enumerate(TESTS.values()):
        (tmp_path / f"test_block_{number}.py").write_text(text)
    (tmp_path / "pytest.ini").write_text(SETTINGS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert len(TESTS) >= 4
