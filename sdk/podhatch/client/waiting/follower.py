"""Follows runs to their end, through ended watches and short outages of the API server.

All runs that a session created share one watch, whoever waits for them; another client's run has
one of its own. A watch lasts as long as somebody waits.
"""

import asyncio
from contextlib import aclosing

from podhatch.api.labels import CLIENT
from podhatch.api.model import JsonObject
from podhatch.client.explain import explained
from podhatch.client.waiting.changes import ended, states
from podhatch.client.waiting.outage import Outage
from podhatch.client.waiting.waiter import Alarm, Waiter, key_of
from podhatch.cluster import WORKFLOW_RUN, ApiError, Cluster, ClusterUnreachable
from podhatch.errors import RunDeleted

MAX_SEEN = 2000
"""So many runs are remembered, for those who come to wait for them a little later."""


class Followers:
    """Everything that is waited for in one session."""

    def __init__(self, cluster: Cluster, namespace: str, client: str) -> None:
        self._cluster = cluster
        self._client = client
        self._alarm = Alarm()
        self._mine = Follower(cluster, namespace, f"{CLIENT}={client}", self._alarm)

    async def end_of(self, run: JsonObject) -> JsonObject:
        """Return the run as it is at its end.

        Raises:
            ClusterUnreachable: The API server has been away for two minutes.
            RequestRefused: The API server does not let us look.
            RunDeleted: The run is gone.
        """
        if run["metadata"].get("labels", {}).get(CLIENT) == self._client:
            return await self._mine.end_of(run)
        waiter = Waiter(run, self._alarm)
        try:
            async with aclosing(states(self._cluster, run)) as changes:
                async for run in changes:
                    waiter.saw(run)
            return run
        finally:
            waiter.close()


class Follower:
    """One watch for all who wait for runs that it selects."""

    def __init__(self, cluster: Cluster, namespace: str, label_selector: str, alarm: Alarm) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._alarm = alarm
        self._label_selector = label_selector
        self._waiters: dict[str, set[Waiter]] = {}
        self._task: asyncio.Task[None] | None = None
        self._version = 0
        """Of the last change that was seen: the watch goes on from here."""
        self._seen: dict[str, JsonObject] = {}
        self._complete_since = 0
        """Any run that changed after this version is in `_seen`. Versions grow with time."""

    async def end_of(self, run: JsonObject) -> JsonObject:
        """Return the run as it is at its end; `run` is how the caller knows it."""
        if ended(run):
            return run
        waiter = Waiter(run, self._alarm)
        missed = self._join(waiter)
        try:
            if missed:
                waiter.saw(await self._get(run))
            return await waiter.end
        finally:
            await self._leave(waiter)

    def _join(self, waiter: Waiter) -> bool:
        """Add somebody who waits, and tell whether the watch may have missed the run's end."""
        _, name = key_of(waiter.run)
        self._waiters.setdefault(name, set()).add(waiter)
        version = _version(waiter.run)
        if self._task is None:
            self._version = self._complete_since = version
            self._seen.clear()
            self._task = asyncio.create_task(self._follow())
            self._task.add_done_callback(self._ended_by)
            return False
        if name in self._seen:
            if _version(self._seen[name]) > version:
                waiter.saw(self._seen[name])
            return False
        return version < self._complete_since

    async def _leave(self, waiter: Waiter) -> None:
        waiter.close()
        _, name = key_of(waiter.run)
        self._waiters[name].discard(waiter)
        if not self._waiters[name]:
            del self._waiters[name]
        task = self._task
        if not self._waiters and task is not None:
            self._task = None
            task.cancel()
            await asyncio.wait([task])

    async def _follow(self) -> None:
        """Watch until nobody waits any more, or there is no use in it."""
        outage = Outage()
        while True:
            try:
                await self._watch(outage)
                outage.end()
            except (ApiError, ClusterUnreachable) as error:
                await outage.bear(error)

    async def _watch(self, outage: Outage) -> None:
        """Tell those who wait of each change, until the stream ends."""
        stream = self._cluster.watch(
            WORKFLOW_RUN,
            self._namespace,
            label_selector=self._label_selector,
            resource_version=str(self._version),
        )
        try:
            async with aclosing(stream):
                async for event in stream:
                    outage.end()
                    self._version = _version(event.object)
                    if event.type == "DELETED":
                        self._lost(event.object["metadata"]["name"])
                    else:
                        self._saw(event.object)
        except ApiError as error:
            if error.status != 410:  # Gone: too much has happened since
                raise
            await self._look_at_all()

    async def _look_at_all(self) -> None:
        runs, version = await self._cluster.list(
            WORKFLOW_RUN, self._namespace, label_selector=self._label_selector
        )
        self._version = int(version)
        there = {run["metadata"]["name"] for run in runs}
        for name, waiters in list(self._waiters.items()):
            # one that was created since the list was made is not in it either
            if name not in there and any(_version(w.run) <= self._version for w in waiters):
                self._lost(name)
        for run in runs:
            self._saw(run)
        self._complete_since = self._version

    async def _get(self, run: JsonObject) -> JsonObject:
        with explained("WorkflowRun", *key_of(run)):
            try:
                return await self._cluster.get(WORKFLOW_RUN, *key_of(run))
            except ApiError as error:
                if error.status != 404:
                    raise
                raise _deleted(*key_of(run)) from None

    def _saw(self, run: JsonObject) -> None:
        name = run["metadata"]["name"]
        self._seen.pop(name, None)
        self._seen[name] = run  # the oldest comes first
        if len(self._seen) > MAX_SEEN:
            forgotten = self._seen.pop(next(iter(self._seen)))
            self._complete_since = max(self._complete_since, _version(forgotten))
        for waiter in self._waiters.get(name, ()):
            waiter.saw(run)

    def _lost(self, name: str) -> None:
        self._seen.pop(name, None)
        self._complete_since = self._version
        for waiter in self._waiters.get(name, ()):
            waiter.fail(_deleted(self._namespace, name))

    def _ended_by(self, task: asyncio.Task[None]) -> None:
        """Tell those who wait why nobody watches any more."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._task is task:
            self._task = None
        for waiter in [each for waiters in self._waiters.values() for each in waiters]:
            waiter.fail(_told(error, waiter.run))


def _version(run: JsonObject) -> int:
    return int(run["metadata"]["resourceVersion"])


def _told(error: BaseException, run: JsonObject) -> BaseException:
    try:
        with explained("WorkflowRun", *key_of(run)):
            raise error
    except BaseException as told:
        return told


def _deleted(namespace: str, name: str) -> RunDeleted:
    return RunDeleted(f"run {name!r} in namespace {namespace!r} was deleted before it ended")
