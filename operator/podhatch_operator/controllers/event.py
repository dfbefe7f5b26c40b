"""Starts the runs of events, and deletes events that have outlived their time.

Called for the keys of WorkflowEvents.
"""

from dataclasses import replace
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.cluster import EVENT_FILTER, WORKFLOW_EVENT, WORKFLOW_RUN, ApiError
from podhatch.core.common.observed import ObservedEvent
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.event.plan import MAY_PASS, EventPlan, plan_event
from podhatch.core.run.clean_up import expired

from podhatch_operator.cache.store import place_of
from podhatch_operator.controllers.key_mapping import keys_for
from podhatch_operator.controllers.observing import observe_event
from podhatch_operator.controllers.reconcile_context import ReconcileContext, RetryLater
from podhatch_operator.queue.keys import Key, run_key
from podhatch_operator.write.children import is_refused


class EventReconciler:
    """Follows an event to its end."""

    def __init__(self, context: ReconcileContext) -> None:
        self._context = context

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this event now."""
        context = self._context
        now = context.now()
        try:
            found = await self._observe(key, now)
        except Exception:
            await self._delete_if_expired(key, now)
            raise
        if found is None:
            context.queue.cancel_appointment(key)
            return
        observed, plan = found
        if plan.evaluate:
            context.evaluator.request(key, plan.evaluate)
            return
        refusals: dict[str, ApiRefusal] = {}
        for manifest in plan.create:
            refusals |= await self._create(manifest)
        if refusals:
            plan = plan_event(replace(observed, refusals=refusals), now)
        if plan.evaluate:  # an answer of the first plan is not kept any more
            context.evaluator.request(key, plan.evaluate)
            return
        if plan.status is not None:  # after the runs: it must not promise one that is not there
            await context.write_status(WORKFLOW_EVENT, observed.event, plan.status)
        clean_up = expired(observed.event, now)
        await context.children.delete(key.namespace, clean_up.delete)
        moments = [each for each in (plan.look_again_at, clean_up.requeue_at) if each]
        context.look_again_at(key, min(moments, default=None))
        for name, refusal in refusals.items():
            if refusal.code == MAY_PASS and not clean_up.delete:
                raise RetryLater(f"the run {name} was refused: {refusal.message}")

    async def _delete_if_expired(self, key: Key, now: datetime) -> None:
        """An event that cannot be planned goes at its time all the same."""
        event = self._context.cache.get(WORKFLOW_EVENT, (key.namespace, key.name))
        if event is not None:
            await self._context.children.delete(key.namespace, expired(event, now).delete)

    async def _observe(self, key: Key, now: datetime) -> tuple[ObservedEvent, EventPlan] | None:
        """Return what is known and what follows; no filter is missing that is on its way to us.

        A run that a filter was to prevent could not be taken back, so the API server is asked.
        """
        confirmed = set[str]()
        while observed := self._seen(key):
            plan = plan_event(observed, now)
            asked = set(plan.unfiltered) - confirmed
            if not asked:
                return observed, plan
            for workflow in asked:
                await self._learn_filters(key.namespace, workflow)
            confirmed |= asked
        return None

    def _seen(self, key: Key) -> ObservedEvent | None:
        context = self._context
        return observe_event(context.cache, key.namespace, key.name, context.evaluator.answers)

    async def _learn_filters(self, namespace: str, workflow: str) -> None:
        context = self._context
        selector = f"spec.workflow={workflow}"
        filters, _ = await context.cluster.list(EVENT_FILTER, namespace, field_selector=selector)
        for raw in filters:
            if context.cache.apply(EVENT_FILTER, raw):
                for key in keys_for(context.cache, EVENT_FILTER, raw):
                    context.queue.add(key)

    async def _create(self, manifest: JsonObject) -> dict[str, ApiRefusal]:
        """Create a run, unless it was made before."""
        context = self._context
        try:
            run = await context.cluster.create(manifest)
        except ApiError as error:
            if error.status == 409:
                return await self._refusal_unless_same(manifest)
            if not is_refused(error):
                raise
            return {manifest["metadata"]["name"]: ApiRefusal(error.status, error.message)}
        if context.cache.apply(WORKFLOW_RUN, run):
            context.queue.add(run_key(*place_of(run)))
        return {}

    async def _refusal_unless_same(self, manifest: JsonObject) -> dict[str, ApiRefusal]:
        """Those who read the event know the names of its runs, and may have taken one."""
        name: str = manifest["metadata"]["name"]
        try:
            found = await self._context.cluster.get(WORKFLOW_RUN, *place_of(manifest))
        except ApiError as error:
            if error.status != 404:
                raise
            return {}  # it was made, and deleted since
        wanted = manifest["spec"]
        if all(
            found["spec"].get(part) == wanted[part] for part in ("workflow", "input", "trigger")
        ):
            return {}
        message = "a WorkflowRun of this name exists that this event did not start: delete it"
        return {name: ApiRefusal(409, message)}
