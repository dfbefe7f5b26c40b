"""RateLimits: what is left of them, and which attempts have got units."""

from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.cluster import RATE_LIMIT
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import Plan
from podhatch.core.rate_limit.plan import plan_rate_limit

from podhatch_operator.cache.cache import Cache
from podhatch_operator.controllers.controller import Controller
from podhatch_operator.watch.watched import Watched, itself


class RateLimitController(Controller[ObservedRateLimit]):
    """Grants units to attempts.

    The cache's index wakes a limit when somebody asks for units, and when another limit has decided
    that an attempt is to have some.
    """

    kind = RATE_LIMIT
    watched = (Watched(RATE_LIMIT, itself),)

    @staticmethod
    def observe(cache: Cache, namespace: str, name: str) -> ObservedRateLimit | None:
        """Return the limit, and who waits in its namespace."""
        limit = cache.get(RATE_LIMIT, (namespace, name))
        return ObservedRateLimit(limit, cache.rate_limits.of(namespace)) if limit else None

    def plan(self, observed: ObservedRateLimit, now: datetime) -> Plan:
        """Return the limit's status."""
        return plan_rate_limit(observed, now)

    def subject(self, observed: ObservedRateLimit) -> JsonObject:
        """Return the limit."""
        return observed.rate_limit
