"""Local runs need the extra `local`, and importing a workflow does not load it."""

import subprocess
import sys
from typing import Any

import pytest
from podhatch import Context, Hatchet
from podhatch.evaluation import client


def test_without_the_extra_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hatchet = Hatchet()

    @hatchet.task()
    def any_task(input: Any, ctx: Context) -> None:
        return None

    monkeypatch.setattr(client, "_LIBRARIES", ("no_such_module",))
    with pytest.raises(ImportError, match=r"pip install 'podhatch\[local\]'$"):
        any_task.run_local()


def test_importing_a_workflow_loads_no_cluster_and_no_engine() -> None:
    program = """
import sys
sys.path.insert(0, "examples/testing")
import checkout
import podhatch.testing.plugin
unwanted = ("aiohttp", "kubernetes", "podhatch_operator", "cel_expr_python", "jsonschema", "ssl")
print([name for name in unwanted if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
