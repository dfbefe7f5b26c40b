"""Says of each EventFilter whether events can pass it. Called for the keys of EventFilters."""

from podhatch.cluster import EVENT_FILTER, WORKFLOW
from podhatch.core.event.filter import plan_filter

from podhatch_operator.controllers.reconcile_context import Workbench
from podhatch_operator.queue.keys import Key


class FilterReconciler:
    """Checks filters; events are let through them by the reconciler of events."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this filter now."""
        bench = self._bench
        event_filter = bench.cache.get(EVENT_FILTER, (key.namespace, key.name))
        if event_filter is None:
            return
        workflow = bench.cache.get(WORKFLOW, (key.namespace, event_filter["spec"]["workflow"]))
        plan = plan_filter(event_filter, workflow, bench.now(), bench.evaluator.answers)
        if plan.evaluate:
            bench.evaluator.request(key, plan.evaluate)
        if plan.status is not None:
            await bench.write_status(EVENT_FILTER, event_filter, plan.status)
