"""The rate limits of local runs. One that nobody has put there has units for all."""

from datetime import datetime

from podhatch.api.limits import MAX_UNITS
from podhatch.api.model import ObjectMeta
from podhatch.api.rate_limit import RateLimit, RateLimitSpec
from podhatch.core.admission.units import UnitQueues
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import first
from podhatch.core.rate_limit.plan import plan_rate_limit
from podhatch.local.cluster import LocalCluster


def grant_units(cluster: LocalCluster, queues: UnitQueues, now: datetime) -> datetime | None:
    """Grant units to the tasks that wait, and return when to look again; None if nobody waits."""
    wanted = {limit for request in queues.requests.values() for limit in request.lane}
    if not wanted:
        return None
    for name in wanted:
        if cluster.find("RateLimit", name) is None:
            cluster.put(_boundless(name).to_wire())
    while True:
        plans = {
            name: plan_rate_limit(ObservedRateLimit(limit, queues), now)
            for name, limit in cluster.stored("RateLimit").items()
        }
        changed = {name: plan.status for name, plan in plans.items() if plan.status is not None}
        if not changed:
            return first(plan.requeue_at for plan in plans.values())
        for name, status in changed.items():
            cluster.change("RateLimit", name, status=status)


def _boundless(name: str) -> RateLimit:
    spec = RateLimitSpec(key=name, limit=MAX_UNITS, duration="YEAR")
    return RateLimit(metadata=ObjectMeta(name=name), spec=spec)
