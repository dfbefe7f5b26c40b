"""Deletes events that have outlived their time. Called for the keys of WorkflowEvents."""

from podhatch.cluster import WORKFLOW_EVENT

from podhatch_operator.core.clean_up import expired
from podhatch_operator.runtime.keys import Key
from podhatch_operator.runtime.workbench import Workbench


class EventReconciler:
    """Follows an event to its end."""

    def __init__(self, bench: Workbench) -> None:
        self._bench = bench

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this event now."""
        bench = self._bench
        event = bench.cache.get(WORKFLOW_EVENT, (key.namespace, key.name))
        if event is None:
            bench.queue.cancel_appointment(key)
            return
        clean_up = expired(event, bench.now())
        await bench.children.delete(key.namespace, clean_up.delete)
        bench.look_again_at(key, clean_up.look_again_at)
