"""Runs every check and test, a line a stage: `python -m tests [STAGE ...]`. Called by make test.

The stages that need a cluster bring one up, or bring podhatch in the one that is up to this clone's
state. Without named stages, a cluster that this run brought up goes down with it; one that was up
before stays up, with what is in it.
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
            run("python", "-m", "tests.locks"),
            run("pyright", "--level", "error"),
        ]
    )


def pytest_in_parallel(*arguments: str) -> bool:
    """Run tests that need no cluster, one process a core."""
    return pytest("-n", "auto", "--dist", "worksteal", "--durations", "10", *arguments)


def unit() -> bool:
    """The unit tests cover each line and branch of the core, and most of all others.

    The property tests are not measured: they would take twice as long.
    """
    # Ends at the first that fails, so that what failed is the last that was printed.
    return (
        pytest_in_parallel("tests/unit", "--cov", "--cov-report=")
        and run("coverage", "report", "--include=sdk/podhatch/core/*", "--fail-under=100")
        and run("coverage", "report", "--fail-under=95")
        # The longest first: whoever is done takes over from the end of the others' queues.
        and pytest_in_parallel("tests/property", "tests/typing")
    )


def imports() -> bool:
    return run("python", "-m", "tests.bench.imports")


def cluster_up() -> bool:
    return run("python", "-m", "tests.cluster", "up")


def cluster_is_up() -> bool:
    """Whether this clone's cluster is up and whole."""
    command = [str(BIN / "python"), "-m", "tests.cluster", "status"]
    return subprocess.run(command, cwd=ROOT, capture_output=True, check=False).returncode == 0


def cluster_down() -> bool:
    return run("python", "-m", "tests.cluster", "down")


def integration() -> bool:
    return pytest("--durations", "10", "tests/integration")


def charts() -> bool:
    return pytest("--durations", "10", "tests/charts")


def e2e() -> bool:
    return pytest("--durations", "10", "tests/e2e")


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
    stages = stages_to_run(named)
    brought_up = False
    for name in stages:
        if name == "cluster-down" and not named and not brought_up:
            print("== cluster-down: left out, the cluster was up before")
            continue
        if name == "cluster-up":
            brought_up = not cluster_is_up()
        if not run_stage(name):
            if brought_up and "cluster-down" in stages:
                run_stage("cluster-down")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
