"""Compare the cache with the cluster: fully at the start, and each minute by versions alone.

It repairs what a watch missed, and tells a watch that is dead from one on which nothing happens.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, ClusterApi, ClusterUnreachable, Kind

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import Place, place_of, version_of
from podhatch_operator.metrics import Metrics
from podhatch_operator.watch.intake import Intake

logger = logging.getLogger(__name__)

INTERVAL_SECONDS = 60.0
PATIENCE_SECONDS = 15.0
"""A watch may lag this long behind a list."""
RETRY_SECONDS = 2.0
DEAD_AFTER = 2
"""A watch that missed changes in this many consecutive rounds is dead."""


@dataclass
class Differences:
    """Where the cache and a list of one kind differ."""

    kind: Kind
    behind: list[tuple[Place, int]] = field(default_factory=list[tuple[Place, int]])
    """Objects that the list holds in a newer version, and that version."""
    gone: list[tuple[Place, int]] = field(default_factory=list[tuple[Place, int]])
    """Objects that the list does not hold, and the version of the list."""

    def __bool__(self) -> bool:
        return bool(self.behind or self.gone)


class Resync:
    """Lists the objects of the cluster, in addition to the watches."""

    def __init__(
        self,
        cluster: ClusterApi,
        selectors: Mapping[Kind, str],
        cache: Cache,
        intake: Intake,
        metrics: Metrics,
        namespaces: Sequence[str] = (),
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._selectors = selectors
        self._cache = cache
        self._intake = intake
        self._metrics = metrics
        self._namespaces: Sequence[str | None] = namespaces or (None,)
        self._sleep = sleep
        self._rounds_missed: Counter[str] = Counter()
        self.listed = False
        """Whether every kind was listed completely: from then on, not cached is not there."""

    def dead_watches(self) -> list[str]:
        """Return the kinds whose watch no longer reports changes."""
        return [kind for kind, rounds in self._rounds_missed.items() if rounds >= DEAD_AFTER]

    async def list_all(self) -> None:
        """Fill the cache, trying until every kind could be listed."""
        for kind in self._selectors:
            for namespace in self._namespaces:
                while not await _try(f"list {kind.plural}", self._list(kind, namespace)):
                    await self._sleep(RETRY_SECONDS)
        self.listed = True

    async def run(self) -> None:
        """Compare once a minute, until cancelled."""
        while True:
            await self._sleep(INTERVAL_SECONDS)
            await _try("compare the cache with the cluster", self.compare())

    async def compare(self) -> None:
        """Compare all kinds, and repair what still differs after a short wait."""
        found = [
            await self._differences(kind, namespace)
            for kind in self._selectors
            for namespace in self._namespaces
        ]
        if any(found):
            await self._sleep(PATIENCE_SECONDS)
        missed: Counter[str] = Counter()
        for differences in found:
            missed[differences.kind.kind] += await self._repair(differences)
        for kind, count in missed.items():
            self._rounds_missed[kind] = self._rounds_missed[kind] + 1 if count else 0
            if count:
                self._metrics.missed.labels(kind).inc(count)
                logger.warning("the watch of %s missed %d changes, now repaired", kind, count)

    async def _list(self, kind: Kind, namespace: str | None) -> None:
        pages = self._cluster.pages(
            kind, namespace, label_selector=self._selectors[kind], bounded=True
        )
        async with aclosing(pages):
            async for page, _ in pages:
                for raw in page:
                    self._take(self._cache.apply, kind, raw)

    async def _differences(self, kind: Kind, namespace: str | None) -> Differences:
        differences = Differences(kind)
        seen: set[Place] = set()
        list_version = 0
        pages = self._cluster.pages(
            kind,
            namespace,
            label_selector=self._selectors[kind],
            metadata_only=True,
            bounded=True,
        )
        async with aclosing(pages):
            async for page, version in pages:
                list_version = list_version or int(version)
                for raw in page:
                    place = place_of(raw)
                    seen.add(place)
                    if version_of(raw) > self._cache.version(kind, place):
                        differences.behind.append((place, version_of(raw)))
        differences.gone = [
            (place, list_version)
            for place in self._cache.places(kind)
            if place not in seen
            and namespace in (None, place[0])
            and self._cache.version(kind, place) <= list_version
        ]
        return differences

    async def _repair(self, differences: Differences) -> int:
        """Repair what still differs. Return the number of changes that the watch missed."""
        kind, missed = differences.kind, 0
        for place, version in differences.gone:
            self._intake.gone(kind, place, version)
        for place, version in differences.behind:
            if self._cache.version(kind, place) >= version:
                continue
            raw = await self._cluster.get_or_none(kind, *place, bounded=True)
            if raw is None:
                self._intake.gone(kind, place, version)
            else:
                missed += self._take(self._intake.changed, kind, raw)
        return missed

    def _take(self, take: Callable[[Kind, JsonObject], bool], kind: Kind, raw: JsonObject) -> bool:
        """Cache an object. An error with one object must not affect the others."""
        try:
            return take(kind, raw)
        except Exception:
            name = "/".join(place_of(raw))
            logger.exception("%s %s could not be taken in, and is left alone", kind.kind, name)
            return False


async def _try(what: str, step: Awaitable[None]) -> bool:
    try:
        await step
    except (ApiError, ClusterUnreachable) as error:
        logger.warning("cannot %s: %s", what, error)
        return False
    return True
