"""RateLimits: what is left of them, and which attempts have got units."""

from collections.abc import Iterable
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.cluster import RATE_LIMIT, WORKFLOW_RUN
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import Plan
from podhatch.core.rate_limit.plan import claims_in, plan_rate_limit

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import place_of
from podhatch_operator.controllers.controller import Controller
from podhatch_operator.keys import Key, rate_limit_key
from podhatch_operator.watch.watched import Watched


def waiting_group(limit: str) -> str:
    """Name the group of runs whose tasks wait for units of a limit."""
    return f"{RATE_LIMIT.plural}/{limit}"


def _limits_of(run: JsonObject) -> Iterable[str]:
    return dict.fromkeys(claim.limit for claim in claims_in(run))


def _around(cache: Cache, limit: JsonObject) -> Iterable[Key]:
    """Of limits that one attempt needs together, each may wait for the other."""
    namespace, name = place_of(limit)
    runs = cache.group(WORKFLOW_RUN, namespace, waiting_group(name)).values()
    names = {name, *(each for run in runs for each in _limits_of(run))}
    return [rate_limit_key(namespace, each) for each in sorted(names)]


def _of_run(_: Cache, run: JsonObject) -> Iterable[Key]:
    namespace, _name = place_of(run)
    return [rate_limit_key(namespace, each) for each in _limits_of(run)]


class RateLimitController(Controller[ObservedRateLimit]):
    """Grants units to attempts."""

    kind = RATE_LIMIT
    watched = (
        Watched(RATE_LIMIT, _around),
        Watched(WORKFLOW_RUN, _of_run, index=lambda run: map(waiting_group, _limits_of(run))),
    )
    status_affects = True  # it wakes the runs that have got units

    def observe(self, key: Key) -> ObservedRateLimit | None:
        """Return the limit, those who wait for it, and the limits that these need too."""
        cache = self.context.cache
        limits: dict[str, JsonObject] = {}
        runs: dict[str, JsonObject] = {}
        names = [key.name]
        while names:
            name = names.pop()
            limit = cache.get(RATE_LIMIT, (key.namespace, name))
            if name in limits or limit is None:
                continue
            limits[name] = limit
            waiting = cache.group(WORKFLOW_RUN, key.namespace, waiting_group(name))
            runs.update(waiting)
            names += [each for run in waiting.values() for each in _limits_of(run)]
        own = limits.pop(key.name, None)
        return ObservedRateLimit(own, limits, [*runs.values()]) if own else None

    def plan(self, observed: ObservedRateLimit, now: datetime) -> Plan:
        """Return the limit's status."""
        return plan_rate_limit(observed, now)

    def subject(self, observed: ObservedRateLimit) -> JsonObject:
        """Return the limit."""
        return observed.rate_limit
