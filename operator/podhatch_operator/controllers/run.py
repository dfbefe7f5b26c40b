"""Carries out the plans of runs: children first, then one status write, then Events.

Called for the keys of WorkflowRuns.
"""

from dataclasses import replace
from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, WORKFLOW_RUN
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run

from podhatch_operator.cache.cache import CHILDREN
from podhatch_operator.cache.trimming import is_over
from podhatch_operator.controllers.event_lookup import EventLookup
from podhatch_operator.controllers.key_mapping import keys_beside_run
from podhatch_operator.controllers.observing import observe_run
from podhatch_operator.controllers.reconcile_context import ReconcileContext, RetryLater
from podhatch_operator.ops.metrics import Hops
from podhatch_operator.queue.keys import Key
from podhatch_operator.write.status_debouncer import StatusDebouncer


class RunReconciler:
    """Brings a run a step further."""

    def __init__(self, context: ReconcileContext, hops: Hops) -> None:
        self._context = context
        self._hops = hops
        self._held = StatusDebouncer(context.clocks.monotonic)
        self._events = EventLookup(context.cluster, context.clocks.monotonic)
        self._memos: dict[Key, PlanMemo] = {}

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this run now."""
        context = self._context
        result_arrived = self._hops.take(key)
        if context.cache.lacks_children((key.namespace, key.name)):
            await self._fetch_children(key)
        observed = self._observe(key)
        if observed is None:
            self._held.release(key)
            self._memos.pop(key, None)
            context.queue.cancel_appointment(key)
            return
        now = context.now()
        memo = self._memo(key, observed.run)
        plan = plan_run(observed, context.defaults, now, memo)
        if plan.look_up:
            notes = await self._events.find(key.namespace, plan.look_up)
            observed = replace(observed, notes=notes)
            plan = plan_run(observed, context.defaults, now, memo)
        if plan.evaluate:
            if result_arrived is not None:
                self._hops.result_arrived(key, result_arrived)
            context.evaluator.request(key, plan.evaluate)
            return
        refusals = await context.children.create(observed.run, plan.create) if plan.create else {}
        if any(manifest["kind"] == JOB.kind for manifest in plan.create):
            self._hops.job_created(result_arrived)
        await context.children.patch(key.namespace, plan.patch)
        if plan.delete:
            await context.children.delete(key.namespace, plan.delete)
        if refusals:
            await self._tell_refusals(key, observed, refusals)
        await self._finish(key, observed, plan, now)

    def _memo(self, key: Key, run: JsonObject) -> PlanMemo | None:
        """Return what earlier plans of a run found out; a run that is over needs none."""
        if is_over(run):
            self._memos.pop(key, None)
            return None
        return self._memos.setdefault(key, PlanMemo())

    def _observe(self, key: Key) -> Observed | None:
        context = self._context
        return observe_run(context.cache, key.namespace, key.name, context.evaluator.answers)

    async def _fetch_children(self, key: Key) -> None:
        """A finished run starts over: learn again what the cache has let go."""
        place = (key.namespace, key.name)
        cache, cluster = self._context.cache, self._context.cluster
        for kind in CHILDREN:
            selector = f"{labels.RUN}={key.name}"
            children, _ = await cluster.list(kind, key.namespace, label_selector=selector)
            cache.restore(place, kind, children)
        cache.restored(place)

    async def _tell_refusals(
        self, key: Key, observed: Observed, refusals: dict[str, ApiRefusal]
    ) -> None:
        """Decide again knowing of the refusals, write that down, and come back later."""
        context = self._context
        fresh = self._observe(key) or observed
        now = context.now()
        plan = plan_run(replace(fresh, refusals=refusals), context.defaults, now)
        if plan.status is not None and await context.write_status(
            WORKFLOW_RUN, fresh.run, plan.status
        ):
            context.recorder.record(plan.events)
        name, refusal = next(iter(refusals.items()))
        within = (plan.requeue_at - now).total_seconds() if plan.requeue_at else None
        raise RetryLater(f"{name} was refused ({refusal.code}): {refusal.message}", within)

    async def _finish(self, key: Key, observed: Observed, plan: Plan, now: datetime) -> None:
        """Write the status unless it is held back, and see to it that we come back in time."""
        context = self._context
        waits = [] if plan.requeue_at is None else [(plan.requeue_at - now).total_seconds()]
        if plan.status is None:
            self._held.release(key)
        elif not plan.urgent and (wait := self._held.wait(key)) > 0:
            waits.append(wait)
        else:
            self._held.release(key)
            if await context.write_status(WORKFLOW_RUN, observed.run, plan.status):
                context.queue.add(key)  # what follows from the new status, such as deletions
                for other in keys_beside_run(key.namespace, observed.run):
                    context.queue.add(other)
                context.recorder.record(plan.events)
        if waits:
            context.queue.add_after(key, min(waits))
        else:
            context.queue.cancel_appointment(key)
