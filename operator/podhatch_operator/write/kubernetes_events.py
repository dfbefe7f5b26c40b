"""Kubernetes Events: those that the operator posts, and warnings about pods that do not start."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import aclosing

from podhatch.api.model import JsonObject
from podhatch.cluster import EVENT, ApiError, ClusterApi, ClusterUnreachable, NamespaceTerminating
from podhatch.core.common.observed import Notes
from podhatch.core.pod.diagnosis import LOOK_UP_AGAIN

logger = logging.getLogger(__name__)

MAX_POSTERS = 4
MAX_WAITING = 10_000
"""When more Events wait than this, the oldest are left out."""
MAX_NOTES = 50
"""Of one object; each is of at most some KiB."""


class EventRecorder:
    """Posts Events in the background: no reconcile waits for them."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._waiting: deque[JsonObject] = deque(maxlen=MAX_WAITING)
        self._posters: set[asyncio.Task[None]] = set()

    def record(self, events: Sequence[JsonObject]) -> None:
        """Have the Events posted soon, in order."""
        self._waiting.extend(events)
        for _ in range(min(MAX_POSTERS - len(self._posters), len(events))):
            poster = asyncio.create_task(self._post_all())
            self._posters.add(poster)
            poster.add_done_callback(self._posters.discard)

    async def finish(self, seconds: float) -> None:
        """Wait this long for Events that are still queued."""
        if self._posters:
            await asyncio.wait(self._posters, timeout=seconds)

    async def _post_all(self) -> None:
        while self._waiting:
            await self._post(self._waiting.popleft())

    async def _post(self, event: JsonObject) -> None:
        """Post one Event. A failure is only logged; 409 means that it was posted before."""
        try:
            await self._cluster.create(event)
        except NamespaceTerminating:
            return
        except (ApiError, ClusterUnreachable) as error:
            if not (isinstance(error, ApiError) and error.status == 409):
                logger.warning("an Event could not be posted: %s", error)


class EventLookup:
    """Finds the warnings about Jobs and pods, fetched only when a plan asks for them.

    They are not watched: a normal run needs none, and a cluster has many. What was fetched is kept
    for a moment, so that one plan after another does not ask again.
    """

    def __init__(self, cluster: ClusterApi, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._found: dict[str, tuple[float, Sequence[JsonObject]]] = {}

    def found(self) -> Notes:
        """Return the warnings that were found a moment ago, by uid."""
        oldest = self._clock() - LOOK_UP_AGAIN.total_seconds() / 2
        self._found = {uid: each for uid, each in self._found.items() if each[0] > oldest}
        return {uid: notes for uid, (_, notes) in self._found.items()}

    async def find(self, namespace: str, uids: Sequence[str]) -> Notes:
        """Return the warnings about these objects by uid, and what was found a moment ago."""
        found = {**self.found()}
        for uid in uids:
            if uid not in found:
                found[uid] = await self._fetch(namespace, uid)
                self._found[uid] = (self._clock(), found[uid])
        return found

    async def _fetch(self, namespace: str, uid: str) -> Sequence[JsonObject]:
        selector = f"regarding.uid={uid},type=Warning"
        pages = self._cluster.pages(EVENT, namespace, field_selector=selector, page_size=MAX_NOTES)
        try:
            async with aclosing(pages):
                async for page, _ in pages:
                    return page
        except ApiError as error:
            logger.warning("Events cannot be read: %s", error)
        return ()
