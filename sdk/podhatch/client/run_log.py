"""The log of a whole run: what all its pods have written, or write, through retries.

Used by `podhatch logs`.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from dataclasses import dataclass
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.client.bounded import gathered
from podhatch.client.following import ended, key_of, states
from podhatch.client.pod_logs import AttemptPod, attempt_pod, find_pods, log_of, pod_selector
from podhatch.client.session import Session
from podhatch.client.task_ids import TaskReference
from podhatch.cluster import POD, ApiError, ClusterUnreachable, LogLine

RETRY_SECONDS = 0.5
GRACE_SECONDS = 40.0
"""So long after a run's end a pod that was told to stop may go on writing."""


@dataclass(frozen=True)
class RunLine:
    """One line of a run's log.

    Attributes:
        task: The task that wrote it.
        attempt: Number of the attempt, from 1.
        time: When it was written, in UTC.
        text: The line without its end.
    """

    task: str
    attempt: int
    time: datetime
    text: str


async def read(session: Session, run: JsonObject, task: str | None = None) -> list[RunLine]:
    """Return what all pods of the run that are left have written, or those of one task, by time."""
    pods, _ = await find_pods(session, _tasks(run, task))
    logs = await gathered(_whole(session, pod) for pod in pods if pod.started)
    return sorted((line for log in logs for line in log), key=lambda line: line.time)


async def follow(
    session: Session, run: JsonObject, task: str | None = None
) -> AsyncGenerator[RunLine, None]:
    """Yield the lines as they are written, until the run has ended and every log is read.

    Raises:
        ClusterUnreachable: The API server has been away for two minutes.
        RequestRefused: It does not let us look.
        RunDeleted: The run is gone.
    """
    if ended(run):
        for line in await read(session, run, task):
            yield line
        return
    follower = _Follower(session, run, task)
    work = asyncio.create_task(follower.work())
    work.add_done_callback(lambda _: follower.lines.put_nowait(None))
    try:
        while (line := await follower.lines.get()) is not None:
            yield line
        await work
    finally:
        work.cancel()
        await asyncio.wait([work])


class _Follower:
    """Reads the log of each pod as soon as its container has started."""

    def __init__(self, session: Session, run: JsonObject, task: str | None) -> None:
        self.lines: asyncio.Queue[RunLine | None] = asyncio.Queue()
        """None comes last."""
        self._session = session
        self._run = run
        self._tasks = _tasks(run, task)
        self._readers: dict[str, asyncio.Task[None]] = {}

    async def work(self) -> None:
        """Read until the run has ended, and all that its pods have written by then."""
        await find_pods(self._session, self._tasks)  # refused now, not when the run has ended
        watching = asyncio.create_task(self._watch())
        try:
            async with aclosing(states(self._session.cluster, self._run)) as seen:
                async for _ in seen:
                    pass
            watching.cancel()
            await self._see_the_last()
            await asyncio.gather(*self._readers.values())
        finally:
            for each in (watching, *self._readers.values()):
                each.cancel()

    async def _see_the_last(self) -> None:
        """Wait for pods that still end: the kubelet tells of them later than they do themselves."""
        deadline = asyncio.get_running_loop().time() + GRACE_SECONDS
        while True:
            pods, _ = await find_pods(self._session, self._tasks)
            for pod in pods:
                self._see(pod)
            over = asyncio.get_running_loop().time() > deadline
            if over or all(pod.ended for pod in pods):
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def _watch(self) -> None:
        """Look at each pod that comes or changes. Whether there is any use in it, the run tells."""
        cluster, namespace = self._session.cluster, self._session.namespace
        selector = pod_selector(self._tasks)
        while True:
            with suppress(ApiError, ClusterUnreachable):
                async with aclosing(cluster.watch(POD, namespace, label_selector=selector)) as pods:
                    async for event in pods:
                        if event.type != "DELETED":
                            self._see(attempt_pod(event.object))
            await asyncio.sleep(RETRY_SECONDS)

    def _see(self, pod: AttemptPod) -> None:
        if pod.started and pod.name not in self._readers:
            self._readers[pod.name] = asyncio.create_task(self._read(pod))

    async def _read(self, pod: AttemptPod) -> None:
        """Read a log to its end, through lost connections."""
        last: datetime | None = None
        while True:
            since = last
            with suppress(ClusterUnreachable):
                log = log_of(self._session, pod.name, follow=True, since=since)
                async with aclosing(log) as lines:
                    async for line in lines:
                        if since is None or line.time > since:
                            last = line.time
                            self.lines.put_nowait(_line(pod, line))
                if await self._has_ended(pod):
                    return
            await asyncio.sleep(RETRY_SECONDS)

    async def _has_ended(self, pod: AttemptPod) -> bool:
        try:
            found = await self._session.cluster.get(POD, self._session.namespace, pod.name)
        except ApiError as error:
            return error.status < 500
        return attempt_pod(found).ended


async def _whole(session: Session, pod: AttemptPod) -> list[RunLine]:
    async with aclosing(log_of(session, pod.name)) as lines:
        return [_line(pod, line) async for line in lines]


def _line(pod: AttemptPod, line: LogLine) -> RunLine:
    return RunLine(pod.task, pod.attempt, line.time, line.text)


def _tasks(run: JsonObject, task: str | None) -> TaskReference:
    _, name = key_of(run)
    return TaskReference(name, task)
