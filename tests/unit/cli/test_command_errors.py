"""How a command ends that goes wrong in a way of its own."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from podhatch.cli.app import run_to_exit
from podhatch.cli.errors import ExitCode

FLOWS = """
from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()

@hatchet.task(description="caf\u00e9")
def drink(input: EmptyModel, ctx: Context) -> int:
    return 1
"""


def podhatch(words: str, folder: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run the command through a shell, as only that closes, fills and encodes outputs."""
    return subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m podhatch.cli {words}"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_an_unexpected_exception_is_reported_as_a_bug(
    capsys: pytest.CaptureFixture[str],
):
    def stumble() -> int:
        return {"a": 1}["b"]

    assert run_to_exit(stumble) == ExitCode.BUG
    told = capsys.readouterr().err
    assert told.startswith(
        "error: this is a bug in podhatch: KeyError: 'b' (test_command_errors.py:"
    )
    assert len(told.splitlines()) == 1


def test_a_full_disk_is_an_error_message(tmp_path: Path):
    done = podhatch("version --client > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (
        ExitCode.ERROR,
        "error: [Errno 28] No space left on device\n",
    )


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", '"caf\\xE9"'), ("utf-8", "caf\u00e9")])
def test_characters_outside_the_output_encoding_are_escaped(
    tmp_path: Path, encoding: str, shown: str
):
    (tmp_path / "flows.py").write_text(FLOWS)
    done = podhatch("render flows.py:hatchet", tmp_path, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (ExitCode.SUCCEEDED, "")
    assert f"description: {shown}\n" in done.stdout


def test_a_line_outside_the_output_encoding_is_printed(tmp_path: Path):
    (tmp_path / "flows.yaml").write_text(
        "{apiVersion: podhatch.dev/v1alpha1, kind: Workflow, spec: {caf\u00e9: 1, tasks: []}}\n"
    )
    done = podhatch("lint flows.yaml", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == ExitCode.FAILED
    assert "caf\\xe9" in done.stdout


@pytest.mark.parametrize(("option", "coloured"), [("", True), ("--no-color", False)])
def test_usage_errors_are_coloured_unless_no_color_is_set(
    tmp_path: Path, option: str, coloured: bool
):
    done = podhatch(f"{option} nope", tmp_path, FORCE_COLOR="1", TERM="xterm")
    assert done.returncode == ExitCode.USAGE
    assert bool(re.search("\x1b\\[[0-9;]*3[0-7]m", done.stderr)) == coloured
