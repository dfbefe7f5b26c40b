"""Says of each EventFilter whether events can pass it. Called for the keys of EventFilters."""

from podhatch.cluster import EVENT_FILTER, WORKFLOW
from podhatch.core.event.filter import plan_filter

from podhatch_operator.controllers.reconcile_context import ReconcileContext
from podhatch_operator.queue.keys import Key


class FilterReconciler:
    """Checks filters; events are let through them by the reconciler of events."""

    def __init__(self, context: ReconcileContext) -> None:
        self._context = context

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this filter now."""
        context = self._context
        event_filter = context.cache.get(EVENT_FILTER, (key.namespace, key.name))
        if event_filter is None:
            return
        workflow = context.cache.get(WORKFLOW, (key.namespace, event_filter["spec"]["workflow"]))
        plan = plan_filter(event_filter, workflow, context.now(), context.evaluator.answers)
        if plan.evaluate:
            context.evaluator.request(key, plan.evaluate)
        if plan.status is not None:
            await context.write_status(EVENT_FILTER, event_filter, plan.status)
