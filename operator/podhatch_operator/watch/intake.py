"""Puts every change of the cluster into the cache, and its keys into the queue."""

from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, POD, TASK_RESULT, Kind, kind_of

from podhatch_operator.cache.cache import CHILDREN, Cache
from podhatch_operator.cache.store import Place, place_of, version_of
from podhatch_operator.cache.trimming import job_facts, pod_facts
from podhatch_operator.metrics import Hops
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.watch.watched import WatchList

_FACTS = {JOB: job_facts, POD: pod_facts}


class Intake:
    """Caches objects, and queues the keys that they affect."""

    def __init__(self, watched: WatchList, cache: Cache, queue: Queue, hops: Hops) -> None:
        self._watched = watched
        self._cache = cache
        self._queue = queue
        self._hops = hops

    def is_known(self, head: JsonObject) -> bool:
        """Return whether an object, of which kind and metadata are given, is no news."""
        return self._cache.is_known(kind_of(head), head)

    def changed(self, kind: Kind, raw: JsonObject) -> bool:
        """Cache an object. Return whether it has changed."""
        cache, place = self._cache, place_of(raw)
        is_new = kind is TASK_RESULT and cache.version(kind, place) == 0
        old, was_known = cache.get(kind, place), cache.knows(kind, place)
        if not cache.apply(kind, raw):
            return False
        if self._shows_the_same(kind, raw, old, was_known):
            return True
        for key in self._watched.keys(cache, kind, raw):
            if is_new:
                self._hops.result_arrived(key)
            self._queue.add(key)
        return True

    def _shows_the_same(
        self, kind: Kind, raw: JsonObject, old: JsonObject | None, was_known: bool
    ) -> bool:
        """Return whether this change is invisible to the core.

        Most children of a run that is over are held by their version alone, and such a run is
        planned again after the change that ended it. The core sees only the names of its Jobs.
        """
        if old is not None:
            facts = _FACTS.get(kind)
            return facts is not None and facts(old) == facts(raw)
        if kind not in CHILDREN or self._cache.get(kind, place_of(raw)) is not None:
            return False
        return kind is not JOB or was_known

    def deleted(self, kind: Kind, raw: JsonObject) -> None:
        """Remove a deleted object, given in its last version."""
        place = place_of(raw)
        was_shown = kind not in (POD, TASK_RESULT) or self._cache.get(kind, place) is not None
        if self._cache.remove(kind, place, version_of(raw)) and was_shown:
            self._reconsider(kind, raw)

    def gone(self, kind: Kind, place: Place, version: int) -> None:
        """Remove an object that is missing from a list of this version."""
        held = self._cache.get(kind, place)
        if self._cache.remove(kind, place, version) and held is not None:
            self._reconsider(kind, held)

    def _reconsider(self, kind: Kind, raw: JsonObject) -> None:
        for key in self._watched.keys(self._cache, kind, raw, is_gone=True):
            self._queue.add(key)
