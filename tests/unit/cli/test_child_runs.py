from typing import cast

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.cli.lookup import find_children
from podhatch.cli.rendering.tree import child_runs
from podhatch.cluster import Cluster

from tests.unit.cli.runs import at, run_of, text_of


def child(name: str, task: str, **which: object) -> JsonObject:
    parent = {"run": "orders-1", "task": task, "job": "j", **which}
    return {
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"workflow": "mail", "parent": parent},
        "status": {
            "phase": "Succeeded",
            "progress": "1/1",
            "startedAt": at(0).isoformat(),
            "finishedAt": at(2).isoformat(),
        },
    }


class Children:
    async def list(
        self, _kind: object, namespace: str, *, field_selector: str
    ) -> tuple[list[JsonObject], str]:
        assert (namespace, field_selector) == ("shop", "spec.parent.run=orders-1")
        items = [
            child("c", "send", index=10),
            child("b", "send", index=9),
            child("a", "x", key="k"),
        ]
        return items, "1"


async def test_child_runs_are_in_the_order_of_their_creation():
    found = await find_children(cast("Cluster", Children()), run_of("Running"))
    assert [run.metadata.name for run in found] == ["b", "c", "a"]


def test_a_child_is_shown_with_its_task_and_key():
    runs = [
        WorkflowRun.model_validate(child("b", "send", index=9)),
        WorkflowRun.model_validate(child("a", "x", key="k")),
    ]
    assert text_of(child_runs(runs, at(9))).splitlines() == [
        "Child runs:",
        "TASK  CHILD  NAME  WORKFLOW  PHASE        PROGRESS  DURATION",
        "send  9      b     mail      ✔ Succeeded  1/1       2.0s",
        "x     k      a     mail      ✔ Succeeded  1/1       2.0s",
    ]
