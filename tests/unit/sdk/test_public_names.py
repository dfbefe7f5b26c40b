"""What `import podhatch` offers, and what it costs. The list is a promise to users."""

import subprocess
import sys
from pathlib import Path

import podhatch
import pytest

NAMES = [
    "ClusterUnreachable",
    "Context",
    "DesiredWorkerLabel",
    "EmptyModel",
    "FailedTaskRunExceptionGroup",
    "Hatchet",
    "IllegalTaskOutputError",
    "InvalidRun",
    "NotInstalled",
    "PodhatchError",
    "RequestRefused",
    "RunCancelled",
    "RunDeleted",
    "Standalone",
    "Task",
    "TaskRunError",
    "TaskRunRef",
    "TriggerWorkflowOptions",
    "WorkerLabelComparator",
    "Workflow",
    "WorkflowRunRef",
]
DEFINITIONS = """
from podhatch import Context, Hatchet

hatchet = Hatchet()
orders = hatchet.workflow("orders", input_validator=dict, version="1")

@orders.task(execution_timeout="1m", desired_worker_labels={"disk": "ssd"})
def charge(input: dict, ctx: Context) -> dict:
    return {}

@hatchet.task()
async def ship(input, ctx):
    return 1
"""
RUN = f"""
{DEFINITIONS}
from podhatch import PodhatchError
try:
    orders.run({{}})
except PodhatchError:
    pass
"""
HEAVY = ("aiohttp", "asyncio", "kubernetes", "pydantic", "yaml")


def test_names_are_frozen() -> None:
    assert podhatch.__all__ == NAMES
    assert dir(podhatch) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_there(name: str) -> None:
    assert getattr(podhatch, name).__name__ == name


def test_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Hatchery'"):
        getattr(podhatch, "Hatchery")  # noqa: B009


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("import podhatch", []),
        (DEFINITIONS, []),
        (f"{DEFINITIONS}\norders.input_validator", []),
        ("from podhatch import EmptyModel", ["pydantic"]),
        (RUN, ["aiohttp", "asyncio", "kubernetes", "pydantic", "yaml"]),
    ],
    ids=["import", "define", "look", "model", "run"],
)
def test_only_what_is_used_is_loaded(tmp_path: Path, code: str, loaded: list[str]) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"{code}\nimport sys\nprint(*[name for name in {HEAVY} if name in sys.modules])"
    )
    process = subprocess.run(
        [sys.executable, "-W", "error", script],
        env={"PODHATCH_IMAGE": "shop:1", "KUBECONFIG": "/nowhere"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert process.stdout.split() == loaded
