"""Every example, and what the pages show first, runs as it stands on the real node."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.e2e.conftest import RunScript
from tests.kube import REPOSITORY, Namespace, tasks, user_environment
from tests.unit.docs.pages import blocks

EXAMPLES = REPOSITORY / "examples"


def test_hello(run_script: RunScript) -> None:
    done = run_script(EXAMPLES / "hello.py")
    assert json.loads(done.out) == {"greet": "Hello, World!"}, done.err


def test_orders(run_script: RunScript, namespace: Namespace) -> None:
    done = run_script(EXAMPLES / "orders.py")
    assert done.code == 0, done.err
    printed = json.loads(done.out)
    assert printed["report"] == {
        "orders": 356,
        "rejected": 4,
        "euros": "30620.44",
        "best_country": "NL",
        "held_orders": 11,
        "held_euros": "7854.34",
    }
    [run] = namespace.list("wfr")
    assert run["status"]["progress"] == "5/5"
    assert "outputRef" in tasks(run)["load"], "an output of 45 kB is kept beside the status"


def test_the_demo_shows_all_of_them(namespace: Namespace, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "examples.demo"],
        cwd=REPOSITORY,
        env=user_environment(namespace.name, tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("  Succeeded  ") == 5 + 4 + 3 + 3, "each task and each run, once"
    assert "make cluster-down" in done.stdout


def test_the_first_workflow_of_the_readme(run_script: RunScript, tmp_path: Path) -> None:
    script = tmp_path / "source" / "orders.py"
    script.parent.mkdir()
    script.write_text(blocks("python")["README.md#1"])
    done = run_script(script)
    assert done.code == 0, done.err
    assert json.loads(done.out) == json.loads(blocks("json")["README.md#1"])


def test_the_yaml_of_the_readme(namespace: Namespace) -> None:
    namespace.kubectl("apply", "-f", "-", stdin=blocks("yaml")["README.md#1"])
    run = namespace.wait("greeting-1", "Succeeded")
    assert json.loads(tasks(run)["reply"]["output"]) == {"greet": {"hello": "world"}}


def test_the_yaml_of_the_manual(namespace: Namespace) -> None:
    texts = blocks("yaml")
    namespace.kubectl("apply", "-f", "-", stdin=texts["docs/yaml.md#1"])
    namespace.kubectl("create", "-f", "-", stdin=texts["docs/yaml.md#2"])
    created = namespace.kubectl("create", "-f", "-", "-o", "name", stdin=texts["docs/yaml.md#3"])
    for name in ("backup-1", created.strip().partition("/")[2]):
        assert tasks(namespace.wait(name, "Succeeded"))["check"]["state"] == "Succeeded"


@pytest.mark.parametrize(
    ("file", "last_task", "output"),
    [
        pytest.param(
            "containers.yaml",
            "summary",
            "most often the word the, in 81 bytes of JSON",
            id="containers",
        ),
        pytest.param(
            "mixed.yaml", "compare", {"runner": "debian", "container": "debian"}, id="mixed"
        ),
    ],
)
def test_yaml(namespace: Namespace, file: str, last_task: str, output: object) -> None:
    namespace.kubectl("apply", "-f", str(EXAMPLES / file))
    documents = yaml.safe_load_all((EXAMPLES / file).read_text())
    [name] = [item["metadata"]["name"] for item in documents if item["kind"] == "WorkflowRun"]
    run = namespace.wait(name, "Succeeded")
    assert json.loads(tasks(run)[last_task]["output"]) == output


def test_retries_conditions_and_the_tasks_at_the_end(run_script: RunScript, tmp_path: Path) -> None:
    """The block of docs/python.md."""
    [text] = [text for text in blocks("python").values() if "on_failure_task" in text]
    script = tmp_path / "source" / "shipping.py"
    script.parent.mkdir()
    script.write_text(text)
    done = run_script(script)
    assert done.code == 0, done.err
    assert "'note': 'sent'" in done.out
    assert "'celebrate-on-success': 'sent'" in done.out


def test_the_refund(namespace: Namespace) -> None:
    namespace.kubectl("apply", "-f", str(EXAMPLES / "refund.yaml"))
    namespace.wait_for_reason("refund-1", "approve", "WaitingForConditions")
    namespace.apply(
        {
            "apiVersion": "podhatch.dev/v1alpha1",
            "kind": "WorkflowEvent",
            "metadata": {"name": "approved-1"},
            "spec": {"key": "refund-approved"},
        }
    )
    entries = tasks(namespace.wait("refund-1", "Succeeded"))
    assert entries["pay"]["retries"] == 1
    assert json.loads(entries["pay"]["output"])["check"] == {"fraud": False}
    assert entries["apologise"]["state"] == "Skipped"
    assert entries["tell"]["state"] == "Succeeded"
