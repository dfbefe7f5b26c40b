"""What the person in front of the terminal sees: one line per stage, one sentence per failure.

Used by every module that takes part in `up` and `down`.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.paths import LOGS


class ClusterError(Exception):
    """One clear sentence that names the part at fault and where its log is."""


def say(line: str) -> None:
    """Print a line at once, even into a pipe."""
    print(line, flush=True)


@contextmanager
def stage(name: str) -> Generator[None]:
    """Report a stage with its duration when it ends well."""
    begin = time.monotonic()
    if sys.stdout.isatty():
        print(f"  {name} ...", end="\r", flush=True)
    yield
    say(f"  {name:<44}{time.monotonic() - begin:7.1f} s")


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Wait for a condition, and fail by naming what was awaited."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise ClusterError(f"{what} did not happen within {seconds:.0f} seconds.")
        time.sleep(0.05)


def log_of(part: str) -> Path:
    """Where a part's output is kept."""
    return LOGS / f"{part.replace(' ', '-')}.log"


def run(
    part: str,
    command: Sequence[str | Path],
    *,
    environment: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> None:
    """Run a command to its end; its output goes to the part's log."""
    LOGS.mkdir(parents=True, exist_ok=True)
    log = log_of(part)
    with log.open("ab") as sink:
        done = subprocess.run(
            [str(word) for word in command],
            env=environment,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode != 0:
        raise ClusterError(f"{part} failed with exit code {done.returncode}: see {log}.")


def output(
    command: Sequence[str | Path], *, check: bool = True, standard_input: str | None = None
) -> str:
    """Return what a short command prints; fail with its last words."""
    done = subprocess.run(
        [str(word) for word in command],
        input=standard_input,
        capture_output=True,
        text=True,
        check=False,
    )
    if check and done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ClusterError(f"{Path(command[0]).name} {command[1]} failed: {words[-1]}.")
    return done.stdout
