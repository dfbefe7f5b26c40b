"""The status of a RateLimit: what is left of its units, and which attempts have got some.

An attempt claims its units in the status of its run, and starts once every limit that it names has
granted them. Attempts are served in order. One that needs several limits gets all or none of them:
that is decided for all limits at once, and each writes down its own part. A grant stays in the
status until the attempt has started, so that an operator that ends between the two loses no unit.
"""

from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.rate_limit import RateLimit, RateLimitGrant, RateLimitStatus
from podhatch.core.admission.buckets import Bucket
from podhatch.core.admission.units import UnitQueues
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import Delete, Plan, first

UNUSED = timedelta(hours=1)
"""How long a limit that a dynamic key has made is kept after its last window."""


def plan_rate_limit(observed: ObservedRateLimit, now: datetime) -> Plan:
    """Return the new status of a limit: what is left, and which attempts have got units."""
    stored = RateLimit.model_validate(observed.rate_limit)
    name, queues = stored.metadata.name, observed.queues
    bucket = queues.decide(name, now)
    assert bucket is not None, f"the queues do not know the RateLimit {name}"
    status = _status(bucket, stored, queues)
    unused_at = None if queues.is_wanted(name) else _unused_at(stored, bucket)
    if unused_at and now >= unused_at:
        return Plan(writes=(Delete("RateLimit", name),))
    return Plan(
        status=None if status == stored.status else status.to_wire(),
        requeue_at=first([unused_at, bucket.refills_at]),
    )


def _unused_at(stored: RateLimit, bucket: Bucket) -> datetime | None:
    """Return when a limit that a dynamic key has made is deleted, if nobody takes units."""
    since = bucket.ends_at or stored.metadata.creation_timestamp
    return since + UNUSED if labels.DYNAMIC in stored.metadata.labels and since else None


def _status(bucket: Bucket, stored: RateLimit, queues: UnitQueues) -> RateLimitStatus:
    known = dict.fromkeys((*queues.granted(bucket.name), *bucket.grants))
    return RateLimitStatus(
        observed_generation=stored.metadata.generation,
        used=bucket.used,
        left=bucket.left,
        window_start=bucket.window_start,
        refills_at=bucket.refills_at,
        grants=[
            RateLimitGrant(run=queues.requests[job].run, job=job, units=bucket.grants[job])
            for job in known
            if job in bucket.grants
        ],
    )
