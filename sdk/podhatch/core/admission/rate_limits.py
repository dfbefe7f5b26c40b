"""The rate limits of all namespaces, and who waits for their units.

The cache tells the index of each run and each RateLimit. It wakes the limits that have to decide,
or to write down what is decided, and the runs whose attempts are granted all that they need.
"""

from collections.abc import Callable
from functools import partial

from pydantic import TypeAdapter, ValidationError

from podhatch.api.model import JsonObject
from podhatch.api.rate_limit import RateLimit, RateLimitClaim
from podhatch.api.run import is_over
from podhatch.core.admission.buckets import Turn, UnitRequest
from podhatch.core.admission.slots import HEAD_START
from podhatch.core.admission.units import UnitQueues

_CLAIMS = TypeAdapter(list[RateLimitClaim])
Wake = Callable[[str, str], None]
"""Has an object planned again, by namespace and name."""
_EMPTY = UnitQueues()


class RateLimitIndex:
    """The rate limits of all namespaces, and who waits for their units."""

    def __init__(self) -> None:
        self._queues: dict[str, UnitQueues] = {}
        self._wake_limit: Wake | None = None
        self._wake_run: Wake | None = None
        self.grants = 0
        """How often units were granted since the start."""
        self.waits = 0
        """How often an attempt found too few units since then."""

    def start(self, wake_limit: Wake, wake_run: Wake) -> None:
        """Everything is known: from now on, what a change concerns is woken."""
        self._wake_limit, self._wake_run = wake_limit, wake_run

    def of(self, namespace: str) -> UnitQueues:
        """Return the limits of a namespace, and who waits there."""
        return self._queues.get(namespace, _EMPTY)

    def count(self) -> int:
        """Return how many attempts wait for units."""
        return sum(len(each.requests) for each in self._queues.values())

    def observe_run(self, run: JsonObject) -> None:
        """A run was seen, with the claims that its status holds."""
        namespace, name = run["metadata"]["namespace"], run["metadata"]["name"]
        stored = run.get("status", {}).get("rateLimits")
        if stored or self.of(namespace).knows(name):
            queues = self._queues_of(namespace)
            queues.put(name, () if is_over(run) else _requests_of(name, stored))
            self._settle(namespace)

    def forget_run(self, namespace: str, name: str) -> None:
        """A run is gone."""
        if self.of(namespace).knows(name):
            self._queues[namespace].put(name, ())
            self._settle(namespace)

    def observe_limit(self, limit: JsonObject) -> None:
        """A RateLimit was seen."""
        namespace, name = limit["metadata"]["namespace"], limit["metadata"]["name"]
        self._queues_of(namespace).put_limit(name, _readable(limit))
        self._settle(namespace)

    def forget_limit(self, namespace: str, name: str) -> None:
        """A RateLimit is gone."""
        if namespace in self._queues:
            self._queues[namespace].drop_limit(name)
            self._settle(namespace)

    def _queues_of(self, namespace: str) -> UnitQueues:
        """Return the limits of a namespace, to be changed."""
        if namespace not in self._queues:
            self._queues[namespace] = UnitQueues(partial(self._settle, namespace))
        return self._queues[namespace]

    def _settle(self, namespace: str) -> None:
        queues = self._queues[namespace]
        limits, runs, grants, waits = queues.settle()
        if queues.is_empty:
            del self._queues[namespace]
        if self._wake_limit is None or self._wake_run is None:
            return
        self.grants += grants
        self.waits += waits
        for each in limits:
            self._wake_limit(namespace, each)
        for each in runs:
            self._wake_run(namespace, each)


def turn_of(claim: RateLimitClaim) -> Turn:
    """Return by what an attempt with such claims is sorted."""
    return (claim.since - (claim.priority - 1) * HEAD_START).timestamp(), claim.job


def _readable(limit: JsonObject) -> RateLimit | None:
    """Return a RateLimit; None if it cannot be read, as another version may have written it."""
    try:
        return RateLimit.model_validate(limit)
    except ValidationError:
        return None


def _requests_of(run: str, stored: object) -> list[UnitRequest]:
    """Return for what the attempts of a run wait, as its status says; of an unreadable one none."""
    try:
        claims = _CLAIMS.validate_python(stored or ())
    except ValidationError:
        return []
    by_job: dict[str, list[RateLimitClaim]] = {}
    for claim in claims:
        by_job.setdefault(claim.job, []).append(claim)
    return [
        UnitRequest(run, job, turn_of(each[0]), {claim.limit: claim.units for claim in each})
        for job, each in by_job.items()
    ]
