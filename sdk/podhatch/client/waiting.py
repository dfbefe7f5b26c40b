"""Waits for runs to end, through ended watches and short outages of the API server.

All runs that a session created share one watch, whoever waits for them (`Follower`); another
client's run has one of its own (`states`). A watch lasts as long as anybody waits.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import aclosing

from podhatch.api.labels import CLIENT
from podhatch.api.model import JsonObject
from podhatch.api.run import ACCEPTED, is_over
from podhatch.client.explain import explained
from podhatch.cluster import WORKFLOW_RUN, ApiError, ClusterApi, ClusterUnreachable
from podhatch.errors import RunDeleted

OUTAGE_SECONDS = 120.0
"""How long the API server may be away while a caller waits."""
RETRY_SECONDS = 0.5
PATIENCE_SECONDS = 10.0
"""A run that is not accepted for so long is worth a warning."""
QUIET_SECONDS = 60.0
"""The same warning is not repeated for so long."""
MAX_SEEN = 2000
"""How many runs are remembered, for callers who start to wait a little later."""

_logger = logging.getLogger("podhatch")


class Outage:
    """Counts the time from the first request that fails after one that was answered."""

    def __init__(self) -> None:
        self._since: float | None = None

    def end(self) -> None:
        """Record that a request was answered."""
        self._since = None

    async def wait_or_raise(self, error: ApiError | ClusterUnreachable) -> None:
        """Wait before the next request; raise a refusal, and what lasts for two minutes."""
        now = asyncio.get_running_loop().time()
        if isinstance(error, ApiError) and error.status < 500:
            raise error
        if self._since is None:
            self._since = now
            _logger.warning("connection lost, retrying: %s", error)
        if now - self._since > OUTAGE_SECONDS:
            raise error
        await asyncio.sleep(RETRY_SECONDS)


def key_of(run: JsonObject) -> tuple[str, str]:
    """Return the run's namespace and name."""
    return run["metadata"]["namespace"], run["metadata"]["name"]


async def states(cluster: ClusterApi, run: JsonObject) -> AsyncGenerator[JsonObject, None]:
    """Yield the run as given, and after each change, until it has ended.

    Raises:
        ClusterUnreachable: The API server has been unreachable for two minutes.
        RequestRefused: The API server denies access.
        RunDeleted: The run is gone.
    """
    outage = Outage()
    yield run
    while not is_over(run):
        try:
            async with aclosing(_changes(cluster, run)) as changes:
                async for run in changes:
                    outage.end()
                    yield run
                    if is_over(run):
                        return
            outage.end()
        except (ApiError, ClusterUnreachable) as error:
            with explained("WorkflowRun", *key_of(run)):
                await outage.wait_or_raise(error)


async def _changes(cluster: ClusterApi, run: JsonObject) -> AsyncGenerator[JsonObject, None]:
    """Yield the run after each change, until the API server ends the watch."""
    version = run["metadata"]["resourceVersion"]
    try:
        async with aclosing(_watch(cluster, run, version)) as changes:
            async for change in changes:
                yield change
    except ApiError as error:
        if error.status != 410:  # Gone: too much has happened since
            raise
        await _read_again(cluster, run)
        async with aclosing(_watch(cluster, run, "")) as changes:
            async for change in changes:
                if change["metadata"]["resourceVersion"] != version:
                    yield change


async def _watch(
    cluster: ClusterApi, run: JsonObject, version: str
) -> AsyncGenerator[JsonObject, None]:
    namespace, name = key_of(run)
    stream = cluster.watch(WORKFLOW_RUN, namespace, name=name, resource_version=version)
    async with aclosing(stream) as events:
        async for event in events:
            if event.type == "DELETED":
                raise _deleted(*key_of(run))
            yield event.object


async def _read_again(cluster: ClusterApi, run: JsonObject) -> JsonObject:
    try:
        found = await cluster.get(WORKFLOW_RUN, *key_of(run))
    except ApiError as error:
        if error.status != 404:
            raise
        raise _deleted(*key_of(run)) from None
    if found["metadata"]["uid"] != run["metadata"]["uid"]:
        raise _deleted(*key_of(run))
    return found


class StallWarning:
    """Warns why runs are not accepted: each reason once a minute, however many runs wait."""

    def __init__(self) -> None:
        self._emitted_at: dict[str, float] = {}

    def emit(self, run: JsonObject) -> None:
        """Warn why this run waits, unless it is scheduled for later."""
        namespace, name = key_of(run)
        accepted = _acceptance(run)
        if accepted is None:
            text = (
                "no operator has accepted run %s in namespace %s: does an operator watch this "
                "namespace? (chart value watchNamespaces)"
            )
            self._log(text, text, name, namespace)
        elif accepted.get("reason") != "Scheduled":
            message = accepted.get("message", "")
            self._log(message, "run %s waits: %s", name, message)

    def _log(self, reason: str, text: str, *arguments: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._emitted_at.get(reason, float("-inf")) > QUIET_SECONDS:
            self._emitted_at[reason] = now
            _logger.warning(text, *arguments)


class Waiter:
    """One caller who waits for the end of one run. Warns when the run is not accepted.

    Attributes:
        run: The run as it was seen last.
        end: Done when the run has ended.
    """

    def __init__(self, run: JsonObject, warning: StallWarning) -> None:
        self._loop = asyncio.get_running_loop()
        self.run = run
        self.end: asyncio.Future[JsonObject] = self._loop.create_future()
        self._warning = warning
        self._timer = self._loop.call_later(PATIENCE_SECONDS, self._warn)
        self.saw(run)

    def saw(self, run: JsonObject) -> None:
        """Update the run."""
        self.run = run
        accepted = _acceptance(run)
        if accepted is not None and accepted["status"] == "True":
            self._timer.cancel()
        elif accepted is not None and self._timer.cancelled() and not self.end.done():
            # It was accepted before, and is stalled now.
            self._timer = self._loop.call_later(PATIENCE_SECONDS, self._warn)
        if is_over(run) and not self.end.done():
            self.end.set_result(run)

    def fail(self, error: BaseException) -> None:
        """Raise the error in the caller."""
        if not self.end.done():
            self.end.set_exception(error)

    def close(self) -> None:
        """Stop waiting."""
        self._timer.cancel()
        self.end.cancel()

    def _warn(self) -> None:
        self._warning.emit(self.run)


def _acceptance(run: JsonObject) -> JsonObject | None:
    conditions: list[JsonObject] = run.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == ACCEPTED), None)


class Followers:
    """Everything that is waited for in one session."""

    def __init__(self, cluster: ClusterApi, namespace: str, client: str) -> None:
        self._cluster = cluster
        self._client = client
        self._warning = StallWarning()
        self._mine = Follower(cluster, namespace, f"{CLIENT}={client}", self._warning)

    async def end_of(self, run: JsonObject) -> JsonObject:
        """Return the run as it is at its end. Raises what `states` does."""
        if run["metadata"].get("labels", {}).get(CLIENT) == self._client:
            return await self._mine.end_of(run)
        waiter = Waiter(run, self._warning)
        try:
            async with aclosing(states(self._cluster, run)) as changes:
                async for run in changes:
                    waiter.saw(run)
            return run
        finally:
            waiter.close()


class Follower:
    """One watch for all who wait for runs that it selects."""

    def __init__(
        self, cluster: ClusterApi, namespace: str, label_selector: str, warning: StallWarning
    ) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._warning = warning
        self._label_selector = label_selector
        self._waiters: dict[str, set[Waiter]] = {}
        self._task: asyncio.Task[None] | None = None
        self._version = 0
        """Of the last change that was seen: the watch continues from here."""
        self._seen: dict[str, JsonObject] = {}
        self._complete_since = 0
        """Any run that changed after this version is in `_seen`. Versions grow with time."""

    async def end_of(self, run: JsonObject) -> JsonObject:
        """Return the run as it is at its end; `run` is how the caller knows it."""
        if is_over(run):
            return run
        waiter = Waiter(run, self._warning)
        missed = self._join(waiter)
        try:
            with explained("WorkflowRun", *key_of(run)):
                if missed:
                    waiter.saw(await _read_again(self._cluster, run))
                return await waiter.end
        finally:
            await self._leave(waiter)

    def _join(self, waiter: Waiter) -> bool:
        """Add a waiter, and return whether the watch may have missed the run's end."""
        _, name = key_of(waiter.run)
        self._waiters.setdefault(name, set()).add(waiter)
        version = _version(waiter.run)
        if self._task is None:
            self._version = self._complete_since = version
            self._seen.clear()
            self._task = asyncio.create_task(self._follow())
            self._task.add_done_callback(self._on_watch_ended)
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
        """Watch until the task is cancelled, or the outage lasts too long."""
        outage = Outage()
        while True:
            try:
                await self._watch(outage)
                outage.end()
            except (ApiError, ClusterUnreachable) as error:
                await outage.wait_or_raise(error)

    async def _watch(self, outage: Outage) -> None:
        """Pass each change on to the waiters, until the stream ends."""
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
            await self._list_all()

    async def _list_all(self) -> None:
        runs, version = await self._cluster.list(
            WORKFLOW_RUN, self._namespace, label_selector=self._label_selector
        )
        self._version = int(version)
        there = {run["metadata"]["name"] for run in runs}
        for name, waiters in list(self._waiters.items()):
            # a run that was created after the list was made is not in it either
            if name not in there and any(_version(w.run) <= self._version for w in waiters):
                self._lost(name)
        for run in runs:
            self._saw(run)
        self._complete_since = self._version

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

    def _on_watch_ended(self, task: asyncio.Task[None]) -> None:
        """Raise in all waiters the error that ended the watch."""
        if task.cancelled() or (error := task.exception()) is None:
            return
        if self._task is task:
            self._task = None
        for waiter in [each for waiters in self._waiters.values() for each in waiters]:
            waiter.fail(error)


def _version(run: JsonObject) -> int:
    return int(run["metadata"]["resourceVersion"])


def _deleted(namespace: str, name: str) -> RunDeleted:
    return RunDeleted(f"run {name!r} in namespace {namespace!r} was deleted before it ended")
