"""CPU time that podhatch adds to bare Python: its import, and the start of a task's pod.

Run by make bench-imports and by make test; exit code 1 when a budget is missed. What is judged is
the ratio to `import asyncio` of the same rounds, which does not depend on how fast a machine is.
Bytecode is cached, as in an image.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from podhatch.api import pod

from tests.bench.report import Row, conclude

PACKAGES = Path(__file__).resolve().parents[2] / "sdk"
ROUNDS = 15
BLAMED = 8
IMPORT = "import podhatch"
DEFINE = """
from podhatch import Context, Hatchet
hatchet = Hatchet()
orders = hatchet.workflow(name="orders")
@orders.task()
def charge(input, ctx: Context): ...
@orders.task(parents=[charge])
def ship(input, ctx: Context): ...
"""
MODEL = """
from pydantic import BaseModel
class Order(BaseModel):
    id: int
Order(id=7)
"""
BARE = "pass"
ASYNCIO = "import asyncio"
TELL_TIME = "import time; print(time.process_time())"
PLAIN_TASK = f"{TELL_TIME}\ndef charge(input, ctx): ..."
TYPICAL_TASK = """
import time
from podhatch import Context, Hatchet
from pydantic import BaseModel
class Order(BaseModel):
    id: int
hatchet = Hatchet()
orders = hatchet.workflow(name="orders", input_validator=Order)
@orders.task(retries=3)
def charge(input: Order, ctx: Context) -> dict[str, object]:
    print(time.process_time())
    return {}
"""
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")


@dataclass(frozen=True)
class Script:
    """A Python process that prints the CPU seconds it has used."""

    command: Sequence[str]
    environment: Mapping[str, str]
    folder: Path | None = None

    def milliseconds(self) -> float:
        """Run it once."""
        told = subprocess.run(
            self.command,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=True,
        )
        return float(told.stdout) * 1000


def python(code: str, environment: Mapping[str, str]) -> Script:
    """Return the process that runs the code alone."""
    return Script([sys.executable, "-c", f"{code}\n{TELL_TIME}"], environment)


def runner(user_code: str, environment: Mapping[str, str], folder: Path) -> Script:
    """Return the process of a task's pod, whose code prints the time when it is called."""
    folder.mkdir()
    (folder / "user_code.py").write_text(user_code)
    assignment = {
        pod.NAMESPACE: "shop",
        pod.RUN: "orders-1",
        pod.RUN_UID: "6d1c",
        pod.WORKFLOW: "orders",
        pod.TASK: "charge",
        pod.ATTEMPT: "1",
        pod.INPUT: '{"id": 7}',
        pod.PYTHON: "user_code:charge",
        pod.EXECUTION_TIMEOUT: "60",
        pod.OUTPUT: str(folder / "termination-log"),
    }
    command = [sys.executable, "-m", "podhatch.runner"]
    return Script(command, {**environment, **assignment}, folder)


def least_milliseconds(scripts: Mapping[str, Script]) -> dict[str, float]:
    """Run all scripts in turn, so that a slow moment of the machine slows all; keep the least."""
    for script in scripts.values():  # fills the caches
        script.milliseconds()
    rounds = [{name: each.milliseconds() for name, each in scripts.items()} for _ in range(ROUNDS)]
    return {name: min(each[name] for each in rounds) for name in scripts}


@contextmanager
def _environment() -> Generator[dict[str, str]]:
    """Yield variables with which Python keeps bytecode, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="podhatch-bytecode-") as folder:
        kept = {name: each for name, each in os.environ.items() if not name.startswith("PYTHON")}
        yield {**kept, "PYTHONPATH": str(PACKAGES), "PYTHONPYCACHEPREFIX": folder}


def modules_to_blame(code: str, environment: Mapping[str, str]) -> list[tuple[float, str]]:
    """Return the modules that took longest by themselves: milliseconds and name."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    lines: Sequence[tuple[str, str, str]] = _LINE.findall(told.stderr)
    return sorted(((int(own) / 1000, name) for own, _, name in lines), reverse=True)[:BLAMED]


def rows(environment: Mapping[str, str], folder: Path) -> list[Row]:
    """Return what podhatch adds, next to what the standard library's asyncio adds."""
    least = least_milliseconds(
        {
            "bare": python(BARE, environment),
            "asyncio": python(ASYNCIO, environment),
            "model": python(MODEL, environment),
            "import": python(IMPORT, environment),
            "define": python(DEFINE, environment),
            "plain task": runner(PLAIN_TASK, environment, folder / "plain"),
            "typical task": runner(TYPICAL_TASK, environment, folder / "typical"),
        }
    )
    reference = least["asyncio"] - least["bare"]
    costs = {
        "import podhatch": least["import"] - least["bare"],
        "define a workflow": least["define"] - least["bare"],
        "runner before the user's file": least["plain task"] - least["bare"],
        "runner to the call of a task, without pydantic": least["typical task"] - least["model"],
    }
    return [Row(name, round(cost, 1), "ms", reference) for name, cost in costs.items()]


def main() -> int:
    """Measure, print, and compare with the budgets."""
    with _environment() as environment, tempfile.TemporaryDirectory() as folder:
        code = conclude("imports", rows(environment, Path(folder)))
        if code:
            print("the modules that took longest:")
            for milliseconds, name in modules_to_blame(DEFINE, environment):
                print(f"  {milliseconds:6.1f} ms  {name}")
    return code


if __name__ == "__main__":
    sys.exit(main())
