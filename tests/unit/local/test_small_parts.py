"""What holds of local runs apart from running workflows: imports, extras, selectors, containers."""

import subprocess
import sys
import threading
from datetime import timedelta
from typing import Any

import pytest
from podhatch import Context, Hatchet
from podhatch.api.run import WorkflowRun
from podhatch.client.portal import wait
from podhatch.client.starting.manifest import Manifest
from podhatch.client.waiting.outcome import raise_unless_succeeded
from podhatch.errors import FailedTaskRunExceptionGroup
from podhatch.local import extra
from podhatch.local.options import LocalOptions
from podhatch.local.running import local_runs
from podhatch.local.selectors import matches
from podhatch.testing import FakeClock

from tests.fakes.objects import container_task, workflow

POD = {
    "metadata": {"name": "p", "labels": {"app": "shop", "tier": "a"}},
    "spec": {"key": "a,b"},
}


@pytest.mark.parametrize(
    ("labels", "fields", "found"),
    [
        ("", "", True),
        ("app=shop,tier!=b", "metadata.name=p", True),
        ("app==shop,other!=x", "", True),
        ("app", "", True),
        ("!app", "", False),
        ("!other", "", True),
        ("tier in (a, b),app notin (x)", "", True),
        ("tier notin (a)", "", False),
        ("app=other", "", False),
        ("", r"spec.key=a\,b", True),
        ("", "spec.key!=a", True),
        ("", "status.phase=Pending", False),
        ("", "status.phase!=Pending", True),
    ],
)
def test_selectors(labels: str, fields: str, found: bool) -> None:
    assert matches(POD, labels, fields) is found


def test_without_the_extra_one_sentence_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hatchet = Hatchet()

    @hatchet.task()
    def any_task(input: Any, ctx: Context) -> None:
        return None

    monkeypatch.setattr(extra, "_MODULES", ("no_such_module",))
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


def test_a_mock_of_a_container_task_has_its_time_limit() -> None:
    never = threading.Event()

    def stuck(_input: object, _ctx: object) -> bool:
        return never.wait(20)

    limited = container_task("shell", executionTimeoutSeconds=0.1)
    manifest = Manifest("flow", "h", workflow(limited), None)
    created = {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {"name": "flow-1"},
        "spec": {"workflow": "flow"},
    }
    with local_runs(LocalOptions(mocks={"shell": stuck})) as session:
        wait(session.publish(manifest))
        run = WorkflowRun.model_validate(
            wait(session.followers.end_of(wait(session.create(created))))
        )
        never.set()
    assert run.status is not None
    assert (run.status.phase, run.status.tasks[0].reason) == ("Failed", "TimedOut")


@pytest.mark.parametrize("mocks", [{}, {"shell": {"ok": True}}])
def test_a_container_task_needs_a_mock(mocks: dict[str, Any]) -> None:
    manifest = Manifest("flow", "h", workflow(container_task("shell")), None)
    created = {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {"name": "flow-1"},
        "spec": {"workflow": "flow"},
    }
    with local_runs(LocalOptions(mocks=mocks)) as session:
        wait(session.publish(manifest))
        run = WorkflowRun.model_validate(
            wait(session.followers.end_of(wait(session.create(created))))
        )
    if mocks:
        assert run.status is not None
        assert run.status.tasks[0].output == '{"ok":true}'
        return
    with pytest.raises(FailedTaskRunExceptionGroup) as caught:
        raise_unless_succeeded(run)
    assert "task shell runs a container, which needs a cluster" in str(caught.value.exceptions[0])


def test_a_clock_does_not_go_back() -> None:
    clock = FakeClock()
    with pytest.raises(ValueError, match="does not go back"):
        clock.advance(timedelta(seconds=-1))
