"""A container task runs locally only where a mock takes its place."""

import threading
from typing import Any

import pytest
from podhatch.api.run import WorkflowRun
from podhatch.client.background_loop import wait
from podhatch.client.manifest import Manifest
from podhatch.client.runs.execution import raise_unless_succeeded
from podhatch.errors import FailedTaskRunExceptionGroup
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs

from tests.fakes.objects import container_task, workflow


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
