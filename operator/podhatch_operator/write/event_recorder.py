"""Posts Kubernetes Events beside the reconciles, which do not wait for what only people read."""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, ClusterApi, ClusterUnreachable, NamespaceTerminating

logger = logging.getLogger(__name__)

MAX_POSTERS = 4
MAX_WAITING = 10_000
"""When more Events wait than this, the oldest are left out."""


class EventRecorder:
    """Events to post, in order, and the few tasks that post them while there are any."""

    def __init__(self, cluster: ClusterApi) -> None:
        self._cluster = cluster
        self._waiting: deque[JsonObject] = deque(maxlen=MAX_WAITING)
        self._posters: set[asyncio.Task[None]] = set()

    def record(self, events: Sequence[JsonObject]) -> None:
        """Have the Events posted soon."""
        self._waiting.extend(events)
        for _ in range(min(MAX_POSTERS - len(self._posters), len(events))):
            poster = asyncio.create_task(self._post_all())
            self._posters.add(poster)
            poster.add_done_callback(self._posters.discard)

    async def finish(self, seconds: float) -> None:
        """Wait so long for what is still to be posted."""
        if self._posters:
            await asyncio.wait(self._posters, timeout=seconds)

    async def _post_all(self) -> None:
        while self._waiting:
            await self._post(self._waiting.popleft())

    async def _post(self, event: JsonObject) -> None:
        """Post one Event. A failure is logged, no more; 409 means that it was posted before."""
        try:
            await self._cluster.create(event)
        except NamespaceTerminating:
            return
        except (ApiError, ClusterUnreachable) as error:
            if not (isinstance(error, ApiError) and error.status == 409):
                logger.warning("an Event could not be posted: %s", error)
