"""`hatchet.rate_limits`: RateLimit objects, of which tasks take units."""

from dataclasses import dataclass
from datetime import datetime

from podhatch.api.limits import RateLimitWindow
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.names import rate_limit_name
from podhatch.api.rate_limit import RateLimit, RateLimitSpec, RateLimitStatus
from podhatch.client import objects, paging
from podhatch.client.feature import FeatureClient
from podhatch.client.paging import Metadata, Query, Rows, Window, metadata_of
from podhatch.client.session import Session
from podhatch.client.twins import async_twin, blocking
from podhatch.values.duration import RateLimitDuration, window_of


@dataclass(frozen=True)
class StoredRateLimit:
    """A rate limit, as the cluster holds it: the operator writes what is left, by its clock."""

    metadata: Metadata
    """Its id is the name of the RateLimit object."""
    key: str
    """The key by which tasks name it."""
    limit_value: int
    """Units of a window."""
    value: int
    """Units that are left."""
    window: RateLimitWindow
    """Duration of a window: SECOND, MINUTE, HOUR, DAY, WEEK, MONTH or YEAR."""
    last_refill: datetime | None
    """When the window began; None if no unit has been taken in it."""
    next_refill: datetime | None
    """When it ends; None as above."""


async def _put(session: Session, spec: RateLimitSpec) -> None:
    name = rate_limit_name(spec.key)
    wanted = RateLimit(metadata=ObjectMeta(name=name), spec=spec)
    stored = await objects.create_or_read(session, wanted)
    if stored.spec != spec:
        body: JsonObject = {"spec": {"limit": spec.limit, "duration": spec.duration}}
        await objects.patch(session, RateLimit, name, body)


def _row(stored: RateLimit) -> StoredRateLimit:
    spec, status = stored.spec, stored.status or RateLimitStatus()
    is_open = status.refills_at is not None
    return StoredRateLimit(
        metadata_of(stored),
        spec.key,
        spec.limit,
        max(spec.limit - status.used, 0),
        spec.duration,
        status.window_start if is_open else None,
        status.refills_at,
    )


class RateLimitsClient(FeatureClient):
    """Rate limits of one namespace, each named by its key."""

    @blocking
    async def put(
        self, key: str, limit: int, duration: RateLimitDuration = RateLimitDuration.SECOND
    ) -> None:
        """Create a rate limit, or change it.

        Args:
            key: The key by which tasks name it: `RateLimit(static_key=...)`.
            limit: Units of a window.
            duration: Duration of a window. A new one applies to the window that is open.

        Raises:
            ValueError: A value is not valid; the text names it.
        """
        subject = f"rate limit {key!r}"
        window = window_of(subject, duration)
        with objects.validating(subject):
            spec = RateLimitSpec(key=key, limit=limit, duration=window)
        await self._ask(_put, spec)

    aio_put = async_twin(put)

    @blocking
    async def list(
        self, offset: int | None = None, limit: int | None = None, search: str | None = None
    ) -> Rows[StoredRateLimit]:
        """Return rate limits, those of dynamic keys too.

        Args:
            offset: Number of items to skip.
            limit: Maximum number of items; 100 by default.
            search: A part of the key.
        """
        query = Query(RateLimit)
        if search:
            query = Query(RateLimit, keep=lambda each: search in each.spec.key)
        return await self._ask(paging.rows, query, Window.of(offset, limit), _row)

    aio_list = async_twin(list)
