"""The pods of a run's tasks, and what they have printed."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.client.explain import explained
from podhatch.client.runs.lookup import TaskReference
from podhatch.client.session import Session
from podhatch.cluster import POD, ApiError, LogLine

CONTAINER = "task"
PAUSE_SECONDS = 0.5
"""Before the API server is asked again."""
LATE_SECONDS = 10.0
"""How long the kubelet's status of a pod may lag behind."""


@dataclass(frozen=True)
class AttemptPod:
    """The pod of one attempt."""

    name: str
    """Its name."""
    task: str
    """The task's name."""
    attempt: int
    """Number of the attempt, from 1."""
    created_at: str
    """As the API server dates it, to the second."""
    started: bool
    """Whether its container has started, so that there is a log."""
    ended: bool
    """Whether it has ended, so that the log grows no more."""


def attempt_pod(pod: JsonObject) -> AttemptPod:
    """Return the view of a pod of one of the operator's Jobs."""
    metadata, status = pod["metadata"], pod.get("status", {})
    containers: list[JsonObject] = status.get("containerStatuses", [])
    states: list[JsonObject] = [
        each.get("state", {}) for each in containers if each["name"] == CONTAINER
    ]
    state = states[0] if states else JsonObject()
    ended = "terminated" in state or status.get("phase") in ("Succeeded", "Failed")
    return AttemptPod(
        name=metadata["name"],
        task=metadata["labels"][labels.TASK],
        attempt=int(metadata["labels"][labels.ATTEMPT]),
        created_at=metadata["creationTimestamp"],
        started="running" in state or "terminated" in state,
        ended=ended,
    )


def pod_selector(tasks: TaskReference) -> str:
    """Return the label selector of the pods of these tasks."""
    parts = {
        labels.RUN: tasks.run,
        labels.TASK: tasks.task,
        labels.ATTEMPT: None if tasks.attempt is None else str(tasks.attempt),
    }
    return ",".join(f"{name}={value}" for name, value in parts.items() if value)


async def find_pods(session: Session, tasks: TaskReference) -> tuple[list[AttemptPod], str]:
    """Return the pods of these tasks, the oldest first, and the version of their list."""
    with explained("Pod", session.namespace):
        found, version = await session.cluster.list(
            POD, session.namespace, label_selector=pod_selector(tasks)
        )
    pods = [attempt_pod(pod) for pod in found]
    return sorted(pods, key=lambda pod: (pod.created_at, pod.task, pod.attempt)), version


async def find_written_pods(
    session: Session, run: JsonObject, tasks: TaskReference
) -> list[AttemptPod]:
    """Return the pods that may have written something.

    A task may report before the kubelet updates its pod: wait for the kubelet.
    """
    told = {task["name"] for task in run.get("status", {}).get("tasks", []) if "startedAt" in task}
    deadline = asyncio.get_running_loop().time() + LATE_SECONDS
    while True:
        pods, _ = await find_pods(session, tasks)
        late = [pod for pod in pods if not (pod.started or pod.ended) and pod.task in told]
        if not late or asyncio.get_running_loop().time() > deadline:
            return [pod for pod in pods if pod.started]
        await asyncio.sleep(PAUSE_SECONDS)


async def log_of(
    session: Session, pod: str, *, follow: bool = False, since: datetime | None = None
) -> AsyncGenerator[LogLine, None]:
    """Yield the lines of a pod's log; nothing if there is none."""
    lines = session.cluster.log(
        session.namespace, pod, container=CONTAINER, follow=follow, since=since
    )
    with explained("log of Pod", session.namespace, pod):
        try:
            async with aclosing(lines):
                async for line in lines:
                    yield line
        except ApiError as error:
            if error.status not in (400, 404):  # not started; gone
                raise
