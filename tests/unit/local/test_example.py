"""The example test file, as a user's pytest runs it: it finds the fixture by its entry point."""

import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).parents[3] / "examples" / "testing"


def test_the_tests_of_the_example_pass() -> None:
    options = ["-q", "-c", "/dev/null", "--rootdir", ".", "-p", "no:cacheprovider"]
    options += ["-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "5 passed" in done.stdout, done.stdout + done.stderr
