"""The in-memory cluster, with what tests may do to it: count requests, refuse, and lose streams.

`tests/fakes/contract.py` holds it to the real one.
"""

import asyncio
import copy
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.cluster import POD, ApiError, ClusterUnreachable, Kind, LogLine
from podhatch.cluster.in_memory import InMemoryCluster

from tests.fakes.log import FakeLog


class FakeCluster(InMemoryCluster):
    page_size = 2

    def __init__(self) -> None:
        super().__init__()
        self.installed = True
        """False: the cluster does not know the kinds of podhatch."""
        self.on_create: Callable[[JsonObject], Awaitable[None]] | None = None
        """Started beside each creation of a run: the operator's part."""
        self.outages = 0
        """So many watches find no API server."""
        self.requests: Counter[str] = Counter()
        self.container_logs: dict[str, FakeLog] = {}
        """Of pods, by name."""
        self.closed = False
        self.user_name = "alice@example.com"
        self._reactions: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        self.closed = True

    async def user(self) -> str:
        self.requests["user"] += 1
        return self.user_name

    def requested(self, verb: str, kind: Kind, *, dry_run: bool = False) -> None:
        self.requests[f"{verb} {kind.kind}"] += 1
        if kind.group == "podhatch.dev" and not self.installed:
            raise ApiError(404, "NotFound", "404 page not found")
        if verb == "watch" and self.outages:
            self.outages -= 1
            raise ClusterUnreachable("the API server is away")

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        created = await super().create(manifest, dry_run=dry_run)
        if created["kind"] == "WorkflowRun" and self.on_create is not None and not dry_run:
            reaction = asyncio.ensure_future(self.on_create(copy.deepcopy(created)))
            self._reactions.add(reaction)
        return created

    async def log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,
        follow: bool = False,
        since: datetime | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        self._found(POD, namespace, pod)
        assert container == "task"
        async with aclosing(self.container_logs[pod].read(follow=follow, since=since)) as lines:
            async for line in lines:
                yield line

    async def end_watches(self) -> None:
        self.drop_watches()
