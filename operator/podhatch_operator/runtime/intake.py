"""Where every change of the cluster comes in: into the cache, and as keys into the queue.

Called by kopf's handlers and by the resync.
"""

from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, TASK_RESULT, Kind

from podhatch_operator.runtime.affected import keys_for, keys_without
from podhatch_operator.runtime.cache import Cache
from podhatch_operator.runtime.lean import job_tells_more
from podhatch_operator.runtime.metrics import Hops
from podhatch_operator.runtime.queue import Queue
from podhatch_operator.runtime.store import Place, place_of, version_of


class Intake:
    """Takes in objects, and adds to the queue what they touch."""

    def __init__(self, cache: Cache, queue: Queue, hops: Hops) -> None:
        self._cache = cache
        self._queue = queue
        self._hops = hops

    def changed(self, kind: Kind, raw: JsonObject) -> bool:
        """An object was seen. Return whether that was news."""
        is_new = kind is TASK_RESULT and self._cache.version(kind, place_of(raw)) == 0
        old = self._cache.get(kind, place_of(raw)) if kind is JOB else None
        if not self._cache.apply(kind, raw):
            return False
        if old is not None and not job_tells_more(old, raw):
            return True
        for key in keys_for(self._cache, kind, raw):
            if is_new:
                self._hops.result_arrived(key)
            self._queue.add(key)
        return True

    def deleted(self, kind: Kind, raw: JsonObject) -> None:
        """An object was seen for the last time, in its last version."""
        if self._cache.remove(kind, place_of(raw), version_of(raw)):
            self._reconsider(kind, raw)

    def gone(self, kind: Kind, place: Place, version: int) -> None:
        """A list made at `version` does not hold the object any more."""
        held = self._cache.get(kind, place)
        if self._cache.remove(kind, place, version) and held is not None:
            self._reconsider(kind, held)

    def _reconsider(self, kind: Kind, raw: JsonObject) -> None:
        for key in keys_without(self._cache, kind, raw):
            self._queue.add(key)
