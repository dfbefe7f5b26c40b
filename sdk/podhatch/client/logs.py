"""`hatchet.logs`: what tasks print and stream, read from the logs of their pods.

`read` and `follow` return every line of a run's pods, through retries; `LogsClient.list` what its
tasks have printed, `stream` what they have streamed (`podhatch.api.stream`).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from heapq import merge

from podhatch.api.model import JsonObject
from podhatch.api.stream import MARK, decode_chunk
from podhatch.client import background_loop, objects
from podhatch.client.feature import FeatureClient
from podhatch.client.parameters import bound_in_utc
from podhatch.client.pods import (
    PAUSE_SECONDS,
    AttemptPod,
    attempt_pod,
    find_pods,
    find_written_pods,
    log_of,
    pod_selector,
)
from podhatch.client.runs.lookup import TaskReference, resolved
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.client.twins import async_twin, blocking
from podhatch.client.waiting import states
from podhatch.cluster import POD, WORKFLOW_RUN, ApiError, ClusterUnreachable


@dataclass(frozen=True)
class RunLine:
    """One line of a run's log."""

    task: str
    """The task that wrote it."""
    attempt: int
    """Number of the attempt, from 1."""
    time: datetime
    """When it was written, in UTC."""
    text: str
    """The line without its end."""


async def read(
    session: Session, run: JsonObject, task: str | None = None
) -> AsyncGenerator[RunLine, None]:
    """Yield the lines of the run's pods that still exist, or of those of one task, by time."""
    reader = _Reader(session, run, task)
    await find_written_pods(session, run, reader.tasks)
    for line in await reader.past():
        yield line


async def follow(
    session: Session, run: JsonObject, task: str | None = None
) -> AsyncGenerator[RunLine, None]:
    """Yield what is written by now as `read` does, then each new line, until the end.

    The end is reached when the run has ended and every log is read. Raises what `states` does.
    """
    reader = _Reader(session, run, task)
    for line in await reader.past():
        yield line
    coming = asyncio.create_task(reader.read_on())
    coming.add_done_callback(lambda _: reader.lines.put_nowait(None))
    try:
        while (line := await reader.lines.get()) is not None:
            yield line
        await coming
    finally:
        coming.cancel()
        await asyncio.wait([coming])


@dataclass
class _Position:
    """How far a log is read: the time of the last line, and how many lines have that time."""

    time: datetime | None = None
    count: int = 0

    def saw(self, moment: datetime) -> None:
        self.count = self.count + 1 if moment == self.time else 1
        self.time = moment


class _Reader:
    """Reads the log of each pod of a run once, as soon as its container has started."""

    def __init__(self, session: Session, run: JsonObject, task: str | None) -> None:
        self.lines: asyncio.Queue[RunLine | None] = asyncio.Queue()
        """New lines; None is the last."""
        self._session = session
        self._run = run
        self.tasks = TaskReference(run["metadata"]["name"], task)
        self._positions: dict[str, _Position] = {}
        """Of the pods whose logs are read."""
        self._open: list[AttemptPod] = []
        """Pods that were writing when the past was read."""
        self._version = ""

    async def past(self) -> list[RunLine]:
        """Return the lines that are written by now, by time; those of one pod in their order."""
        pods, self._version = await find_pods(self._session, self.tasks)
        mine = [pod for pod in pods if self._claims(pod)]
        self._open = [pod for pod in mine if not pod.ended]
        logs = await objects.gathered(self._whole(pod) for pod in mine)
        return list(merge(*logs, key=lambda line: line.time))

    async def read_on(self) -> None:
        """Put new lines into `lines`, until the run has ended and all logs are read."""
        try:
            async with asyncio.TaskGroup() as group:
                for pod in self._open:
                    group.create_task(self._follow(pod))
                watching = group.create_task(self._watch(group))
                async with aclosing(states(self._session.cluster, self._run)) as seen:
                    async for self._run in seen:
                        pass
                watching.cancel()
                self._see(group, await find_written_pods(self._session, self._run, self.tasks))
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _watch(self, group: asyncio.TaskGroup) -> None:
        """Follow the log of each pod that starts."""
        cluster, namespace = self._session.cluster, self._session.namespace
        selector = pod_selector(self.tasks)
        while True:
            events = cluster.watch(
                POD, namespace, label_selector=selector, resource_version=self._version
            )
            try:
                async with aclosing(events):
                    async for event in events:
                        self._version = event.object["metadata"]["resourceVersion"]
                        self._see(group, [attempt_pod(event.object)])
            except ClusterUnreachable:
                await asyncio.sleep(PAUSE_SECONDS)
            except ApiError:
                await asyncio.sleep(PAUSE_SECONDS)
                pods, self._version = await find_pods(self._session, self.tasks)
                self._see(group, pods)

    def _see(self, group: asyncio.TaskGroup, pods: list[AttemptPod]) -> None:
        for pod in pods:
            if self._claims(pod):
                group.create_task(self._follow(pod))

    def _claims(self, pod: AttemptPod) -> bool:
        """Return whether to read a pod's log from now on: once, as soon as it exists.

        A pod that is older than the run belongs to an earlier run of the same name.
        """
        created_at: str = self._run["metadata"]["creationTimestamp"]
        if not pod.started or pod.name in self._positions or pod.created_at < created_at:
            return False
        self._positions[pod.name] = _Position()
        return True

    async def _follow(self, pod: AttemptPod) -> None:
        """Follow a log through lost connections, until its pod has ended."""
        ended = False
        while not ended:
            ended = await self._has_ended(pod)
            try:
                async with aclosing(self._unread(pod, follow=not ended)) as lines:
                    async for line in lines:
                        self.lines.put_nowait(line)
            except ClusterUnreachable:  # the watch of the run gives up in time
                ended = False
            if not ended:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _whole(self, pod: AttemptPod) -> list[RunLine]:
        async with aclosing(self._unread(pod, follow=False)) as lines:
            return [line async for line in lines]

    async def _unread(self, pod: AttemptPod, *, follow: bool) -> AsyncGenerator[RunLine, None]:
        """Yield the lines of a log that were not read before."""
        position = self._positions[pod.name]
        since, known = position.time, position.count
        async with aclosing(log_of(self._session, pod.name, follow=follow, since=since)) as lines:
            async for line in lines:
                if since is not None and line.time < since:
                    continue
                if line.time == since and known:
                    known -= 1
                    continue
                position.saw(line.time)
                yield RunLine(pod.task, pod.attempt, line.time, line.text)

    async def _has_ended(self, pod: AttemptPod) -> bool:
        try:
            found = await self._session.cluster.get(POD, self._session.namespace, pod.name)
        except ApiError as error:
            return error.status < 500  # gone
        except ClusterUnreachable:
            return False
        return attempt_pod(found).ended


@dataclass(frozen=True)
class V1LogLine:
    """One line that a task printed."""

    created_at: datetime
    """When, in UTC by the node's clock."""
    message: str
    """The line, without its end."""
    task_external_id: str
    """`<run>/<task>`."""
    task_display_name: str
    """Name of the task."""
    attempt: int
    """Number of the attempt, from 1."""


@dataclass(frozen=True)
class V1LogLineList:
    """Lines, the oldest first."""

    rows: list[V1LogLine]


async def _find(
    session: Session, task_run_id: str, limit: int, since: datetime | None, until: datetime | None
) -> V1LogLineList:
    """Return the first `limit` lines from `since` on, attempt after attempt."""
    tasks = await resolved(session, task_run_id)
    objects.check_name(WORKFLOW_RUN, tasks.run)
    pods = await find_written_pods(session, await session.get_run(tasks.run), tasks)
    rows: list[V1LogLine] = []
    for pod in pods:
        if len(rows) < limit:
            rows += await _lines(session, tasks.run, pod, limit - len(rows), since, until)
    return V1LogLineList(rows)


def without_chunk(text: str) -> str | None:
    """Return what a task printed in a line; None if it only streamed."""
    if decode_chunk(text) is None:
        return text
    return text[: text.rindex(MARK)] or None


async def _lines(
    session: Session,
    run: str,
    pod: AttemptPod,
    limit: int,
    since: datetime | None,
    until: datetime | None,
) -> list[V1LogLine]:
    found: list[V1LogLine] = []
    async with aclosing(log_of(session, pod.name, since=since)) as lines:
        async for line in lines:
            if len(found) == limit or (until is not None and line.time > until):
                break
            text = without_chunk(line.text)
            if text is not None and (since is None or line.time >= since):
                task = f"{run}/{pod.task}"
                found.append(V1LogLine(line.time, text, task, pod.task, pod.attempt))
    return found


def stream(target: Target, name: str) -> AsyncGenerator[str | bytes, None]:
    """Yield what the run's tasks have streamed and will stream, until it ends.

    The generator may be read in any event loop.
    """
    return background_loop.relayed(_chunks(target, name))


async def _chunks(target: Target, name: str) -> AsyncGenerator[str | bytes, None]:
    session = await session_of(target)
    objects.check_name(WORKFLOW_RUN, name)
    run = await session.get_run(name)
    async with aclosing(follow(session, run)) as lines:
        async for line in lines:
            chunk = decode_chunk(line.text)
            if chunk is not None:
                yield chunk[1]


DEFAULT_LIMIT = 1000


class LogsClient(FeatureClient):
    """Logs of the pods of one namespace. They are gone with the pods."""

    @blocking
    async def list(
        self,
        task_run_id: str,
        limit: int = DEFAULT_LIMIT,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> V1LogLineList:
        """Return the first lines that a task printed: `ctx.log`, stdout and stderr.

        Lines of its stream are left out. For more, ask again with `since` of the last one.

        Args:
            task_run_id: `<run>/<task>` for all attempts of a task, `ctx.task_run_id` for one of
                them, or a run's name for all of its tasks, one after the other.
            limit: Maximum number of lines.
            since: Printed at this time or later.
            until: Printed at this time or earlier.

        Raises:
            RequestRefused: There is no such task, or access to logs is denied.
            TypeError: A time is not a datetime.
            ValueError: The limit is less than 1.
        """
        span = bound_in_utc("since", since), bound_in_utc("until", until)
        if limit < 1:
            raise ValueError(f"limit: expected at least 1, got {limit}")
        return await self._ask(_find, task_run_id, limit, *span)

    aio_list = async_twin(list)
