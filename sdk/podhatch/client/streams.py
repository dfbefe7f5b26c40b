"""What the tasks of a run stream: first what is there, in the order of time, then what comes.

Chunks stand in the pods' logs (`podhatch.api.stream`), numbered in each attempt. A generator for
the portal, called by the runs client.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import datetime
from heapq import merge

from podhatch.api.model import JsonObject
from podhatch.api.stream import decode_chunk
from podhatch.client import objects
from podhatch.client.bounded import gathered
from podhatch.client.explain import explained
from podhatch.client.pod_logs import AttemptPod, attempt_pod, find_pods, log_of, pod_selector
from podhatch.client.session import Session, session_of
from podhatch.client.target import Target
from podhatch.client.task_ids import TaskReference
from podhatch.cluster import POD, WORKFLOW_RUN, ApiError, ClusterUnreachable

PAUSE_SECONDS = 0.5
"""Before a log or a watch that has ended is opened again."""

Data = str | bytes
_Dated = tuple[datetime, Data]


async def chunks(target: Target, name: str) -> AsyncGenerator[Data, None]:
    """Yield what was streamed and what will be, until the run has ended."""
    session = await session_of(target)
    objects.check_name(WORKFLOW_RUN, name)
    run = await session.get_run(name)
    stream = _Stream(session, run)
    pods, version = await find_pods(session, stream.tasks)
    past = await gathered(stream.past(pod) for pod in pods if stream.claims(pod))
    for _, data in merge(*past, key=lambda dated: dated[0]):
        yield data
    coming = asyncio.create_task(stream.read(version, [pod for pod in pods if not pod.ended]))
    coming.add_done_callback(lambda _: stream.queue.put_nowait(None))
    try:
        while (data := await stream.queue.get()) is not None:
            yield data
        await coming
    finally:
        coming.cancel()
        await asyncio.gather(coming, return_exceptions=True)


class _Stream:
    """The chunks of one run, as far as they are read."""

    def __init__(self, session: Session, run: JsonObject) -> None:
        self.tasks = TaskReference(run["metadata"]["name"])
        self.queue: asyncio.Queue[Data | None] = asyncio.Queue()
        """None is the end."""
        self._session = session
        self._run = run
        self._next: dict[str, int] = {}
        """Number of the chunk that comes next, of each pod that is read."""
        self._read_until: dict[str, datetime] = {}
        """Time of the last line of each."""

    def claims(self, pod: AttemptPod) -> bool:
        """Tell whether a pod's log is to be read from now on: once, and not before it is there.

        A pod that is older than the run is of another of the same name.
        """
        created_at: str = self._run["metadata"]["creationTimestamp"]
        if not pod.started or pod.name in self._next or pod.created_at < created_at:
            return False
        self._next[pod.name] = 0
        return True

    async def past(self, pod: AttemptPod) -> list[_Dated]:
        """Return what a pod has streamed by now."""
        async with aclosing(self._read(pod.name, follow=False)) as dated:
            return [each async for each in dated]

    async def read(self, version: str, open_pods: list[AttemptPod]) -> None:
        """Put what is streamed from now on into the queue, until the run has ended."""
        try:
            async with asyncio.TaskGroup() as group:
                for pod in open_pods:
                    if pod.name in self._next:
                        group.create_task(self._follow(pod.name))
                watching = group.create_task(self._watch(group, version))
                await self._session.followers.end_of(self._run)
                watching.cancel()
                pods, _ = await find_pods(self._session, self.tasks)
                self._follow_new(group, pods)
        except ExceptionGroup as errors:
            raise errors.exceptions[0] from None

    def _follow_new(self, group: asyncio.TaskGroup, pods: list[AttemptPod]) -> None:
        for pod in pods:
            if self.claims(pod):
                group.create_task(self._follow(pod.name))

    async def _watch(self, group: asyncio.TaskGroup, version: str) -> None:
        """Follow each pod from when it has started."""
        session = self._session
        while True:
            events = session.cluster.watch(
                POD,
                session.namespace,
                label_selector=pod_selector(self.tasks),
                resource_version=version,
            )
            try:
                async with aclosing(events):
                    async for event in events:
                        version = event.object["metadata"]["resourceVersion"]
                        self._follow_new(group, [attempt_pod(event.object)])
            except ApiError as error:
                if error.status != 410:  # Gone: too much has happened since
                    with explained("Pod", session.namespace):
                        raise
                version = ""
            except ClusterUnreachable:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _follow(self, pod: str) -> None:
        """Read on in a pod's log, over lost connections, until nothing more can come."""
        ended = False
        while not ended:
            ended = await self._has_ended(pod)
            async with aclosing(self._read(pod, follow=not ended)) as dated:
                async for _, data in dated:
                    self.queue.put_nowait(data)
            if not ended:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _has_ended(self, pod: str) -> bool:
        session = self._session
        try:
            return attempt_pod(await session.cluster.get(POD, session.namespace, pod)).ended
        except ApiError:  # gone
            return True

    async def _read(self, pod: str, *, follow: bool) -> AsyncGenerator[_Dated, None]:
        """Yield the chunks of a pod that were not read before."""
        since = self._read_until.get(pod)
        async with aclosing(log_of(self._session, pod, follow=follow, since=since)) as lines:
            async for line in lines:
                self._read_until[pod] = line.time
                chunk = decode_chunk(line.text)
                if chunk is not None and chunk[0] >= self._next[pod]:
                    self._next[pod] = chunk[0] + 1
                    yield line.time, chunk[1]
