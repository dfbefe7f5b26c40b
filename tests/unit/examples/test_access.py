"""The access to the cluster that the SDK gives to the examples' tasks: no more than they need."""

import importlib.util
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from podhatch import Standalone, Workflow
from podhatch.definitions.manifest.access import needed_access
from podhatch.task.loading import RunReachedWhileLoading, while_loading

from tests.unit.docs.examples import SCRIPTS

SPAWNING = {"approval.py": {"purchase-approval"}, "children.py": {"count-book"}}


@pytest.mark.parametrize("name", SCRIPTS)
def test_only_tasks_that_start_runs_have_spawn(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path: Path = SCRIPTS[name]
    monkeypatch.setattr(sys, "path", [str(path.parent), *sys.path])
    spec = importlib.util.spec_from_file_location(f"example_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, module)
    with suppress(RunReachedWhileLoading), while_loading():
        spec.loader.exec_module(module)
    defined: list[Any] = [
        each for each in vars(module).values() if isinstance(each, (Workflow, Standalone))
    ]
    tasks = {task.name: needed_access(task) for each in defined for task in each.workflow.all_tasks}
    assert tasks
    assert {name for name, access in tasks.items() if access == "spawn"} == SPAWNING.get(
        name, set()
    )
