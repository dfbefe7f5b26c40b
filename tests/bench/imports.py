"""CPU time that podhatch adds to bare Python: its import, and the start of a task's pod.

Run by make bench-imports and, since CPU time hardly varies, by make test; exit code 1 when a budget
is missed. Bytecode is cached, as in an image.
"""

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from podhatch.api import pod

from tests.bench.report import Row, conclude

PACKAGES = Path(__file__).resolve().parents[2] / "sdk"
ROUNDS = 10
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


def processor_milliseconds(code: str, environment: Mapping[str, str]) -> float:
    """Return the least CPU time that Python needs for the code."""
    command = [sys.executable, "-c", f"{code}\n{TELL_TIME}"]
    return min(_told_milliseconds(command, environment) for _ in range(ROUNDS))


def runner_milliseconds(user_code: str, environment: Mapping[str, str], folder: Path) -> float:
    """Return the least CPU time that a task's code prints when the runner runs it."""
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
    return min(
        _told_milliseconds(command, {**environment, **assignment}, folder) for _ in range(ROUNDS)
    )


def _told_milliseconds(
    command: Sequence[str], environment: Mapping[str, str], folder: Path | None = None
) -> float:
    """Run a command that prints seconds."""
    told = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, check=True
    )
    return float(told.stdout) * 1000


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


def main() -> int:
    """Measure, print, and compare with the budgets."""
    with _environment() as environment, tempfile.TemporaryDirectory() as folder:
        bare = processor_milliseconds(BARE, environment)
        model = processor_milliseconds(MODEL, environment) - bare
        costs = {
            "import podhatch": processor_milliseconds(IMPORT, environment) - bare,
            "define a workflow": processor_milliseconds(DEFINE, environment) - bare,
            "runner before the user's file": runner_milliseconds(
                PLAIN_TASK, environment, Path(folder)
            )
            - bare,
            "runner to the call of a task, without pydantic": runner_milliseconds(
                TYPICAL_TASK, environment, Path(folder)
            )
            - bare
            - model,
        }
        code = conclude("imports", [Row(name, round(ms, 1), "ms") for name, ms in costs.items()])
        if code:
            print("the modules that took longest:")
            for milliseconds, name in modules_to_blame(DEFINE, environment):
                print(f"  {milliseconds:6.1f} ms  {name}")
    return code


if __name__ == "__main__":
    sys.exit(main())
