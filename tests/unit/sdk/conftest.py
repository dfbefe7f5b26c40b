"""Runs of the SDK against the fake cluster, with a function in the operator's place."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field

import pytest
from podhatch import Hatchet
from podhatch.api.model import JsonObject
from podhatch.client import background_loop
from podhatch.cluster import Cluster

from tests.fakes.cluster import FakeCluster

Statuses = list[JsonObject]


@dataclass
class Stage:
    """The fake cluster, and what its operator answers to a run: one status after the other."""

    cluster: FakeCluster
    statuses: Callable[[JsonObject], Statuses] = lambda _: []
    connects: list[dict[str, str | None]] = field(default_factory=list[dict[str, str | None]])

    async def operate(self, run: JsonObject) -> None:
        for status in self.statuses(run):
            run = await self.cluster.replace_status({**run, "status": status})

    def outputs(self, **outputs: str | None) -> None:
        """Answer each run with success, and these outputs as JSON text."""
        tasks = [
            {"name": name, "state": "Succeeded", **({"output": output} if output else {})}
            for name, output in outputs.items()
        ]
        self.statuses = lambda _: [{"phase": "Running"}, {"phase": "Succeeded", "tasks": tasks}]

    @property
    def run(self) -> JsonObject:
        [run] = self.cluster.objects("WorkflowRun")
        return run

    @property
    def workflow(self) -> JsonObject:
        [workflow] = self.cluster.objects("Workflow")
        return workflow


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Generator[Stage]:
    stage = Stage(FakeCluster())

    async def connect(**where: str | None) -> FakeCluster:
        stage.connects.append(where)
        return stage.cluster

    monkeypatch.setattr(Cluster, "connect", connect)
    monkeypatch.setenv("PODHATCH_IMAGE", "shop:1")
    stage.cluster.on_create = stage.operate
    yield stage
    background_loop.shut_down()
    assert stage.cluster.closed or not stage.connects


@pytest.fixture
def hatchet() -> Hatchet:
    return Hatchet()
