"""Leader election: of several operators, only the one that holds the Lease works.

A leader whose Lease may have a new holder ends at once: `hold` returns, and the process exits. What
it still writes at that moment is fenced by resourceVersions and by the fixed names of children.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from podhatch.api.model import JsonObject
from podhatch.cluster import LEASE, ApiError, ClusterApi, ClusterUnreachable

logger = logging.getLogger(__name__)

LEASE_SECONDS = 10
"""A Lease that was not renewed for this long is free: a standby leads within 15 s of a kill."""
RENEW_DEADLINE_SECONDS = 7.0
"""A leader that could not renew for this long gives up, before another one takes over."""
RENEW_SECONDS = 2.0
LOOK_SECONDS = 1.0
"""How often a standby looks at the Lease."""


@dataclass
class Leadership:
    """Whether this operator leads."""

    leads: bool = False
    problem: str = ""
    """Why it is not known who leads."""


class Elector:
    """One candidate. `acquire`, then `hold` until it returns, or `release`."""

    def __init__(
        self,
        cluster: ClusterApi,
        *,
        namespace: str,
        name: str,
        identity: str,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._cluster = cluster
        self._place = (namespace, name)
        self._identity = identity
        self._clock = clock
        self._sleep = sleep
        self._lease: JsonObject | None = None
        self._seen: tuple[str, float] = ("", 0.0)
        """The Lease's version, and when this process first saw it, by its own clock."""
        self._renewed_at = 0.0
        self.leadership = Leadership()

    async def acquire(self) -> None:
        """Wait until the Lease is ours."""
        while not await self._try(LEASE_SECONDS):
            await self._sleep(LOOK_SECONDS)
        self.leadership.leads = True
        logger.info("leads as %s", self._identity)

    async def hold(self) -> None:
        """Renew the Lease until it is lost."""
        while (left := self._renewed_at + RENEW_DEADLINE_SECONDS - self._clock()) > 0:
            held = await self._try(left)
            if not held and not self.leadership.problem:
                break  # another one holds it
            await self._sleep(min(RENEW_SECONDS if held else LOOK_SECONDS, left))
        self.leadership.leads = False

    async def release(self) -> None:
        """Give the Lease back, so that a standby need not wait for its end."""
        if not self.leadership.leads or self._lease is None:
            return
        self.leadership.leads = False
        spec = {"holderIdentity": "", "leaseDurationSeconds": 1, "renewTime": _now()}
        try:
            async with asyncio.timeout(RENEW_SECONDS):
                await self._patch(self._lease, spec)
        except (ApiError, ClusterUnreachable, TimeoutError) as error:
            logger.warning("the Lease could not be given back: %s", error)

    async def _try(self, seconds: float) -> bool:
        """Take or renew the Lease. Return whether it is ours now."""
        began = self._clock()
        try:
            async with asyncio.timeout(seconds):
                lease = await self._take()
        except (ApiError, ClusterUnreachable, TimeoutError) as error:
            self._lease = None  # read it again: another candidate may have written it
            self.leadership.problem = str(error) or "no answer in time"
            logger.warning("cannot acquire the Lease: %s", self.leadership.problem)
            return False
        self.leadership.problem = ""
        if lease is None:
            return False
        self._lease, self._renewed_at = lease, began
        return True

    async def _take(self) -> JsonObject | None:
        """Return the Lease as ours, or None while another holds it."""
        lease = self._lease
        if lease is None:
            lease = await self._cluster.get_or_none(LEASE, *self._place)
        if lease is None:
            return await self._cluster.create(self._new())
        spec = lease["spec"]
        holder: str = spec.get("holderIdentity") or ""
        if holder == self._identity:
            return await self._patch(lease, {"renewTime": _now()})
        if self.leadership.leads or not self._is_free(lease):
            return None
        changes = {**self._claim(), "leaseTransitions": spec.get("leaseTransitions", 0) + 1}
        return await self._patch(lease, changes)

    def _is_free(self, lease: JsonObject) -> bool:
        """Whether it has no holder, or the holder has not renewed it since this process saw it."""
        version: str = lease["metadata"]["resourceVersion"]
        now = self._clock()
        if version != self._seen[0]:
            self._seen = version, now
        spec = lease["spec"]
        lasts: float = spec.get("leaseDurationSeconds") or LEASE_SECONDS
        return not spec.get("holderIdentity") or now - self._seen[1] >= lasts

    async def _patch(self, lease: JsonObject, spec: dict[str, Any]) -> JsonObject:
        version = lease["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "spec": spec}
        return await self._cluster.merge_patch(LEASE, *self._place, body)

    def _new(self) -> JsonObject:
        namespace, name = self._place
        return {
            "apiVersion": LEASE.api_version,
            "kind": LEASE.kind,
            "metadata": {"namespace": namespace, "name": name},
            "spec": {**self._claim(), "leaseTransitions": 0},
        }

    def _claim(self) -> dict[str, Any]:
        now = _now()
        return {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "acquireTime": now,
            "renewTime": now,
        }


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
