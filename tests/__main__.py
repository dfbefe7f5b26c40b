"""Runs every check and test, a line a stage: `python -m tests [STAGE ...]`. Called by make test.

The stages that need a cluster bring one up; the cluster that this run brought up goes down with it.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / ".venv" / "bin"


def run(*command: str) -> bool:
    """Run a command in the repository; its output is the user's to read."""
    program = BIN / command[0]
    return subprocess.run([str(program), *command[1:]], cwd=ROOT, check=False).returncode == 0


def pytest(*arguments: str) -> bool:
    return run("python", "-m", "pytest", "-q", *arguments)


def verify() -> bool:
    return all(
        [
            run("ruff", "format", "--check", "-q", "."),
            run("ruff", "check", "-q", "."),
            run("lint-imports"),
            run("python", "-m", "podhatch.api.crds", "--check"),
            run("pyright", "--level", "error"),
        ]
    )


def unit() -> bool:
    core = pytest(
        "tests/unit/core",
        "tests/property",
        "--cov",
        "--cov-report=term-missing:skip-covered",
        "--cov-fail-under=100",
    )
    rest = pytest("tests/unit", "tests/typing", "--ignore=tests/unit/core")
    return core and rest


def imports() -> bool:
    return run("python", "-m", "tests.bench.imports")


def cluster_up() -> bool:
    return run("python", "-m", "tests.cluster", "up")


def cluster_down() -> bool:
    return run("python", "-m", "tests.cluster", "down")


def integration() -> bool:
    return pytest("tests/integration")


def charts() -> bool:
    return pytest("tests/charts")


def e2e() -> bool:
    return pytest("tests/e2e")


STAGES: dict[str, Callable[[], bool]] = {
    "verify": verify,
    "unit": unit,
    "imports": imports,
    "cluster-up": cluster_up,
    "charts": charts,
    "integration": integration,
    "e2e": e2e,
    "cluster-down": cluster_down,
}
NEEDS_CLUSTER = frozenset({"integration", "charts", "e2e"})


def stages_to_run(named: Sequence[str]) -> list[str]:
    """Return all stages, or the named ones with the cluster they need."""
    if not named:
        return list(STAGES)
    needs_cluster = any(name in NEEDS_CLUSTER for name in named)
    return [*(["cluster-up"] if needs_cluster else []), *named]


def run_stage(name: str) -> bool:
    print(f"== {name}", flush=True)
    begun = time.monotonic()
    passed = STAGES[name]()
    word = "passed" if passed else "FAILED"
    print(f"== {name}: {word} in {time.monotonic() - begun:.0f} s", flush=True)
    return passed


def main(named: Sequence[str]) -> int:
    unknown = [name for name in named if name not in STAGES]
    if unknown:
        print(f"unknown stage {unknown[0]!r}: choose from {', '.join(STAGES)}", file=sys.stderr)
        return 2
    for name in stages_to_run(named):
        if not run_stage(name):
            if "cluster-down" in stages_to_run(named) and name != "cluster-down":
                run_stage("cluster-down")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
