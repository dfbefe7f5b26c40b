"""A run whose pods stream and print, in the fake cluster."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.stream import encode_chunk
from podhatch.client import background_loop
from podhatch.cluster import POD, WORKFLOW_RUN, LogLine

from tests.fakes.cluster import FakeCluster
from tests.fakes.log import FakeLog

NOW = datetime.now(UTC)
RUN = "chat-1"


def line(second: float, text: str) -> LogLine:
    return LogLine(NOW + timedelta(seconds=second), text)


def chunk(second: float, number: int, data: str | bytes) -> LogLine:
    return line(second, encode_chunk(number, data))


@dataclass
class Pods:
    """Coroutines run in the background loop, where the cluster lives."""

    cluster: FakeCluster
    tasks: list[JsonObject] = field(default_factory=list[JsonObject])

    async def aio_start(
        self, task: str, attempt: int, *lines: LogLine, ended: bool | None
    ) -> FakeLog:
        """Create a pod that runs or has ended; None: of which its kubelet has told nothing."""
        name = f"{RUN}-{task}-{attempt}"
        log = self.cluster.container_logs[name] = FakeLog(*lines, ended=bool(ended))
        pod = await self.cluster.create(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {
                    "name": name,
                    "namespace": "default",
                    "labels": {
                        labels.RUN: RUN,
                        labels.TASK: task,
                        labels.ATTEMPT: str(attempt),
                    },
                },
            }
        )
        if ended is not None:
            await self.cluster.replace_status({**pod, "status": _status(ended=ended)})
        return log

    async def aio_end(self, task: str, attempt: int) -> None:
        name = f"{RUN}-{task}-{attempt}"
        pod = await self.cluster.get(POD, "default", name)
        await self.cluster.replace_status({**pod, "status": _status(ended=True)})
        await self.cluster.container_logs[name].end()

    async def aio_run(self, phase: str) -> None:
        """Create the run if there is none, and write its phase."""
        if not self.cluster.objects("WorkflowRun"):
            metadata = {"name": RUN, "namespace": "default"}
            manifest = {"apiVersion": labels.API_VERSION, "kind": "WorkflowRun"}
            await self.cluster.create(
                {**manifest, "metadata": metadata, "spec": {"workflow": "chat"}}
            )
        run = await self.cluster.get(WORKFLOW_RUN, "default", RUN)
        status = {"phase": phase, "tasks": self.tasks}
        await self.cluster.replace_status({**run, "status": status})

    def start(self, task: str, attempt: int, *lines: LogLine, ended: bool = True) -> FakeLog:
        return background_loop.wait(self.aio_start(task, attempt, *lines, ended=ended))

    def run(self, phase: str) -> None:
        background_loop.wait(self.aio_run(phase))


def _status(*, ended: bool) -> JsonObject:
    state = "terminated" if ended else "running"
    return {"containerStatuses": [{"name": "task", "state": {state: {}}}]}
