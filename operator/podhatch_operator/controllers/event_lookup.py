"""Kubernetes Events about Jobs and pods that do not start, fetched only when a plan asks for them.

They are not watched: a normal run needs none, and a cluster has many. What was fetched is kept for
a moment, so that one plan after another does not ask again; losing it only means to ask again.
"""

import logging
from collections.abc import Callable, Sequence
from contextlib import aclosing

from podhatch.api.model import JsonObject
from podhatch.cluster import EVENT, ApiError, ClusterApi
from podhatch.core.common.observed import Notes
from podhatch.core.pod.diagnosis import LOOK_UP_AGAIN

logger = logging.getLogger(__name__)
MAX_NOTES = 50
"""Of one object; each is of at most some KiB."""


class EventLookup:
    """Finds what controllers and kubelets say of an object."""

    def __init__(self, cluster: ClusterApi, clock: Callable[[], float]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._found: dict[str, tuple[float, Sequence[JsonObject]]] = {}

    async def find(self, namespace: str, uids: Sequence[str]) -> Notes:
        """Return the warnings about these objects by uid, at most a moment old."""
        oldest = self._clock() - LOOK_UP_AGAIN.total_seconds() / 2
        self._found = {uid: each for uid, each in self._found.items() if each[0] > oldest}
        for uid in uids:
            if uid not in self._found:
                self._found[uid] = (self._clock(), await self._fetch(namespace, uid))
        return {uid: self._found[uid][1] for uid in uids}

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
