"""The rate limits of local runs. One that nobody has put there has units for all."""

from collections.abc import Iterable
from datetime import datetime

from podhatch.api.limits import MAX_UNITS
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.rate_limit import RateLimit, RateLimitSpec
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import first
from podhatch.core.rate_limit.plan import claims_in, plan_rate_limit
from podhatch.local.cluster import LocalCluster


def grant_units(cluster: LocalCluster, now: datetime) -> datetime | None:
    """Grant units to the tasks that wait, and return when to look again; None if nobody waits."""
    runs = [*cluster.stored("WorkflowRun").values()]
    wanted = {claim.limit for run in runs for claim in claims_in(run)}
    if not wanted:
        return None
    for name in wanted:
        if cluster.find("RateLimit", name) is None:
            cluster.put(_boundless(name).to_wire())
    moments: list[datetime | None] = []
    for name in [*cluster.stored("RateLimit")]:
        others = {**cluster.stored("RateLimit")}
        plan = plan_rate_limit(ObservedRateLimit(others.pop(name), others, runs), now)
        if plan.status is not None:
            cluster.change("RateLimit", name, status=plan.status)
        moments.append(plan.requeue_at)
    return first(moments)


def waiting_runs(runs: Iterable[JsonObject], limit: JsonObject) -> list[str]:
    """Return the names of the runs whose tasks wait for units of a limit."""
    name = limit["metadata"]["name"]
    return [
        run["metadata"]["name"]
        for run in runs
        if any(claim.limit == name for claim in claims_in(run))
    ]


def _boundless(name: str) -> RateLimit:
    spec = RateLimitSpec(key=name, limit=MAX_UNITS, duration="YEAR")
    return RateLimit(metadata=ObjectMeta(name=name), spec=spec)
