"""What importing podhatch costs over bare Python, and which modules are to blame.

Called by make bench-imports and, since the processor's time hardly varies, by make test; exit code
1 when the budget is missed.
"""

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

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
_LINE = re.compile(r"import time:\s+(\d+) \|\s+(\d+) \| +(\S+)")


def processor_milliseconds(code: str) -> float:
    """Return the least time of the processor that Python needs for the code."""
    return min(_milliseconds(code) for _ in range(ROUNDS))


def _milliseconds(code: str) -> float:
    process = subprocess.Popen([sys.executable, "-c", code], env=_environment())
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0, f"it ended with status {status}: {code}"
    process.returncode = 0
    return (usage.ru_utime + usage.ru_stime) * 1000


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(PACKAGES)}


def modules_to_blame(code: str) -> list[tuple[float, str]]:
    """Return the modules that took longest by themselves: milliseconds and name."""
    command = [sys.executable, "-X", "importtime", "-c", code]
    told = subprocess.run(command, env=_environment(), capture_output=True, text=True, check=True)
    lines: Sequence[tuple[str, str, str]] = _LINE.findall(told.stderr)
    return sorted(((int(own) / 1000, name) for own, _, name in lines), reverse=True)[:BLAMED]


def main() -> int:
    """Measure, print, and compare with the budget."""
    bare = processor_milliseconds("pass")
    rows = [
        Row(name, round(processor_milliseconds(code) - bare, 1), "ms")
        for name, code in (("import podhatch", IMPORT), ("define a workflow", DEFINE))
    ]
    code = conclude("imports", rows)
    if code:
        print("the modules that took longest:")
        for milliseconds, name in modules_to_blame(DEFINE):
            print(f"  {milliseconds:6.1f} ms  {name}")
    return code


if __name__ == "__main__":
    sys.exit(main())
