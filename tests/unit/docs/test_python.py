"""Every Python block of the documentation, and every example, defines what could be applied."""

import importlib.util
import json
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from podhatch import Standalone, Workflow
from podhatch.api.workflow import Workflow as WorkflowObject
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.workflow.validate import workflow_problems
from podhatch.task import Context
from podhatch.task.loading import RunReachedWhileLoading, while_loading

from tests.unit.docs.examples import SCRIPTS
from tests.unit.docs.pages import blocks

BLOCKS = blocks("python")
PROGRAMS = {**BLOCKS, **{name: path.read_text() for name, path in SCRIPTS.items()}}


def load(text: str, folder: Path) -> ModuleType:
    """Import the text as a pod imports a user's module: a run at its top ends it."""
    path = folder / f"block_{folder.name.replace('-', '_')}.py"
    path.write_text(text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    with while_loading(), suppress(RunReachedWhileLoading):
        spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("text", PROGRAMS.values(), ids=PROGRAMS.keys())
def test_a_program_defines_workflows_that_can_be_applied(
    text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    module = load(text, tmp_path)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    defined: list[Workflow[Any] | Standalone[Any, Any]] = [
        value for value in vars(module).values() if isinstance(value, Workflow | Standalone)
    ]
    assert defined
    for manifests in (each.to_yaml() for each in defined if not each.workflow.is_stub):
        documents = list(yaml.safe_load_all(manifests))
        assert not workflow_problems(
            WorkflowObject.model_validate(documents[-1]).spec, Questions(IN_PROCESS)
        )


def test_the_first_workflow_prints_what_the_readme_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    module = load(BLOCKS["README.md#1"], tmp_path)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    order = module.Order(id=7, prices=[3.5, 4])
    outputs: dict[str, object] = {}
    for task in module.orders.tasks:
        context = Context(
            workflow_run_id="r",
            task_run_id="t",
            workflow_name=module.orders.name,
            task_name=task.name,
            parents={parent.name: outputs[parent.name] for parent in task.parents},
        )
        outputs[task.name] = task.fn(order, context)
    assert outputs == json.loads(blocks("json")["README.md#1"])
