"""What must arrive as it left: values, the shipped tree, the one report of an attempt."""

import json
import shutil
from pathlib import Path

import pytest

from tests.e2e.conftest import Podhatch, RunScript
from tests.kube import Namespace, shell, tasks, workflow_manifest

FLOWS = Path(__file__).parent / "flows"
SIZES = FLOWS / "sizes.py"
LARGEST = 2**63 - 1


def test_values_arrive_unchanged_or_are_refused(run_script: RunScript, podhatch: Podhatch) -> None:
    done = run_script(SIZES, "orders", str(LARGEST))
    assert done.out.strip() == json.dumps([LARGEST + 1, "word", {"a": 1}]), done.err
    refused = run_script(SIZES, "orders", str(LARGEST + 1))
    assert "number: 9223372036854775808 does not fit 64 bits" in refused.err
    values = {"token": "word", "packed": '{"a": 1}'}
    arguments = ["run", "size-orders", "--wait", "--input", json.dumps(values), "-p"]
    done = podhatch(*arguments, f"number={LARGEST}")
    assert str(LARGEST + 1) in done.out, done.err
    refused = podhatch(*arguments, f"number={LARGEST + 1}")
    assert refused.code == 2
    assert "-p: number: 9223372036854775808 does not fit 64 bits" in refused.err


def test_a_task_that_forks_reports_once(run_script: RunScript) -> None:
    assert run_script(SIZES, "fork").out.strip() == "[7, 1, 0]"


def test_the_shipped_tree_is_the_tree(run_script: RunScript, tmp_path: Path) -> None:
    package = tmp_path / "tree" / "packaged"
    shutil.copytree(FLOWS / "packaged", package, ignore=shutil.ignore_patterns("__pycache__"))
    (package / "tool").write_text("#!/bin/sh\nprintf ran\n")
    (package / "tool").chmod(0o755)
    (package / "link").symlink_to("tool")
    (package / "empty").mkdir()
    done = run_script(package / "worker.py")
    assert done.out.strip() == "[3, 'ran', 'tool', True]", done.err


@pytest.mark.parametrize(("size", "phase"), [(2300, "Succeeded"), (3500, "Failed")])
def test_an_output_beside_four_containers_fits_or_is_too_large(
    namespace: Namespace, size: int, phase: str
) -> None:
    script = f"head -c {size} /dev/zero | tr '\\0' 7 | sed 's/.*/\"&\"/' > $PODHATCH_OUTPUT"
    task = shell("large", script)
    image = task["container"]["image"]
    beside = [{"name": f"c{n}", "image": image, "command": ["true"]} for n in range(4)]
    task["pod"] = {"podTemplate": {"spec": {"initContainers": beside}}}
    namespace.apply(workflow_manifest("shared", task))
    namespace.run("shared-1", "shared")
    entry = tasks(namespace.wait("shared-1", phase))["large"]
    if phase == "Failed":
        assert entry["reason"] == "OutputTooLarge"
        assert "longer than 2457 bytes" in entry["message"]
    else:
        assert entry["output"] == f'"{"7" * size}"'


def test_long_errors_reach_the_failure_task(run_script: RunScript, namespace: Namespace) -> None:
    assert run_script(SIZES, "emoji").code == 1
    [run] = namespace.list("workflowruns")
    entry = tasks(run)["mend-on-failure"]
    assert (entry["state"], entry["output"]) == ("Succeeded", "4"), entry
