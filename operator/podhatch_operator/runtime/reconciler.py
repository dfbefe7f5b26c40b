"""Bring one object to where it should be: look at the cache, let the core decide, carry it out.

Workers call it with a key from the queue. It raises what a retry may mend.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONFIG_MAP,
    JOB,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    ApiError,
    Cluster,
    Kind,
)

from podhatch_operator.core.clean_up import expired, unused_revisions
from podhatch_operator.core.decision import Plan
from podhatch_operator.core.observed import Defaults, Observed, Refusal
from podhatch_operator.core.plan import plan_run
from podhatch_operator.core.workflow import plan_workflow
from podhatch_operator.runtime.announcer import Announcer
from podhatch_operator.runtime.cache import CHILDREN, Cache
from podhatch_operator.runtime.children import Children
from podhatch_operator.runtime.held_status import HeldStatuses
from podhatch_operator.runtime.keys import Key
from podhatch_operator.runtime.metrics import Hops
from podhatch_operator.runtime.pins import UNDECIDED
from podhatch_operator.runtime.queue import Queue
from podhatch_operator.runtime.store import place_of, version_of

CLEAN_UP_AGAIN_SECONDS = 30.0
"""A revision may be let go once every run under way has said which one it holds."""


class RetryLater(Exception):  # noqa: N818 - nothing is wrong; the worker counts it as a retry
    """What was decided is out of date or was refused: decide again in a moment."""

    def __init__(self, reason: str, within: float | None = None) -> None:
        super().__init__(reason)
        self.within = within
        """Seconds after which to try at the latest; None leaves it to the queue."""


@dataclass(frozen=True)
class Clocks:
    """The time, as others write it and as we measure it."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Reconciler:
    """Carries out plans. Children first, then one status write, then Events."""

    def __init__(
        self,
        cluster: Cluster,
        cache: Cache,
        queue: Queue,
        defaults: Defaults,
        hops: Hops,
        clocks: Clocks | None = None,
    ) -> None:
        clocks = clocks or Clocks()
        self._cluster = cluster
        self._cache = cache
        self._queue = queue
        self._defaults = defaults
        self._hops = hops
        self._now = clocks.now
        self._children = Children(cluster, cache)
        self.announcer = Announcer(cluster)
        self._held = HeldStatuses(clocks.monotonic)

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this object now.

        Raises:
            RetryLater: what was decided is out of date, or a child was refused.
            ApiError, ClusterUnreachable: a request failed.
        """
        if key.kind == WORKFLOW.kind:
            await self._reconcile_workflow(key)
        elif key.kind == WORKFLOW_EVENT.kind:
            await self._reconcile_event(key)
        else:
            await self._reconcile_run(key)

    async def _reconcile_workflow(self, key: Key) -> None:
        workflow = self._cache.get(WORKFLOW, (key.namespace, key.name))
        status = plan_workflow(workflow, self._now()) if workflow else None
        if workflow is not None and status is not None:
            await self._write_status(WORKFLOW, workflow, status)
        await self._let_go_of_revisions(key, workflow)

    async def _let_go_of_revisions(self, key: Key, workflow: JsonObject | None) -> None:
        """Delete the revisions that no run holds, and sources that no other workflow ships.

        Sources go first: once its revision is gone, nothing tells of a source any more.
        """
        revisions = self._cache.revisions(key.namespace, key.name)
        held = self._cache.pins.held(key.namespace, key.name)
        unused = unused_revisions(workflow, revisions, held)
        if unused and UNDECIDED in held:
            self._queue.add_after(key, CLEAN_UP_AGAIN_SECONDS)
            return
        self._queue.cancel_appointment(key)
        if unused:
            shared = self._cache.sources(key.namespace, without=key.name)
            sources = [child for child in unused if child.kind == CONFIG_MAP.kind]
            delete = [child for child in sources if child.name not in shared]
            delete += [child for child in unused if child not in sources]
            await self._children.delete(key.namespace, delete)

    async def _reconcile_event(self, key: Key) -> None:
        event = self._cache.get(WORKFLOW_EVENT, (key.namespace, key.name))
        if event is None:
            self._queue.cancel_appointment(key)
            return
        now = self._now()
        clean_up = expired(event, now)
        await self._children.delete(key.namespace, clean_up.delete)
        if clean_up.look_again_at:
            self._queue.add_after(key, (clean_up.look_again_at - now).total_seconds())

    async def _reconcile_run(self, key: Key) -> None:
        result_arrived = self._hops.take(key)
        if self._cache.lacks_children((key.namespace, key.name)):
            await self._fetch_children(key)
        observed = self._cache.observe(key.namespace, key.name)
        if observed is None:
            self._held.release(key)
            self._queue.cancel_appointment(key)
            return
        now = self._now()
        plan = plan_run(observed, self._defaults, now)
        refusals = await self._children.create(observed.run, plan.create) if plan.create else {}
        if any(manifest["kind"] == JOB.kind for manifest in plan.create):
            self._hops.job_created(result_arrived)
        await self._children.extend(key.namespace, plan.extend)
        if plan.delete:
            await self._children.delete(key.namespace, plan.delete)
        if refusals:
            await self._tell_refusals(key, observed, refusals)
        await self._finish(key, observed, plan, now)

    async def _fetch_children(self, key: Key) -> None:
        """A finished run starts over: learn again what the cache has let go."""
        place = (key.namespace, key.name)
        for kind in CHILDREN:
            selector = f"{labels.RUN}={key.name}"
            children, _ = await self._cluster.list(kind, key.namespace, label_selector=selector)
            self._cache.restore(place, kind, children)
        self._cache.restored(place)

    async def _tell_refusals(
        self, key: Key, observed: Observed, refusals: dict[str, Refusal]
    ) -> None:
        """Decide again knowing of the refusals, write that down, and come back later."""
        fresh = self._cache.observe(key.namespace, key.name) or observed
        now = self._now()
        plan = plan_run(replace(fresh, refusals=refusals), self._defaults, now)
        if plan.status is not None and await self._write_status(
            WORKFLOW_RUN, fresh.run, plan.status
        ):
            self.announcer.announce(plan.events)
        name, refusal = next(iter(refusals.items()))
        within = (plan.requeue_at - now).total_seconds() if plan.requeue_at else None
        raise RetryLater(f"{name} was refused ({refusal.code}): {refusal.message}", within)

    async def _finish(self, key: Key, observed: Observed, plan: Plan, now: datetime) -> None:
        """Write the status unless it is held back, and see to it that we come back in time."""
        waits = [] if plan.requeue_at is None else [(plan.requeue_at - now).total_seconds()]
        if plan.status is None:
            self._held.release(key)
        elif not plan.urgent and (wait := self._held.wait(key)) > 0:
            waits.append(wait)
        else:
            self._held.release(key)
            if await self._write_status(WORKFLOW_RUN, observed.run, plan.status):
                self._queue.add(key)  # what follows from the new status, such as deletions
                self.announcer.announce(plan.events)
        if waits:
            self._queue.add_after(key, min(waits))
        else:
            self._queue.cancel_appointment(key)

    async def _write_status(self, kind: Kind, raw: JsonObject, status: JsonObject) -> bool:
        """Replace the status of the object as it was observed. Return False if it is gone.

        Raises:
            RetryLater: the object has changed since.
        """
        metadata = {
            name: raw["metadata"][name] for name in ("name", "namespace", "resourceVersion")
        }
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        try:
            written = await self._cluster.replace_status({**manifest, "status": status})
        except ApiError as error:
            if error.status == 404:
                self._cache.remove(kind, place_of(raw), version_of(raw))
                return False
            if error.status == 409:
                raise RetryLater(str(error)) from None
            raise
        self._cache.apply(kind, written)
        return True
