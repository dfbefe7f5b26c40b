"""Bring one object to where it should be: each kind of key has a reconciler of its own.

Workers call it with a key from the queue. It raises what a retry may mend.
"""

from podhatch.cluster import CRON_WORKFLOW, EVENT_FILTER, WORKFLOW, WORKFLOW_EVENT, WORKFLOW_RUN

from podhatch_operator.runtime.cron_reconciler import CronReconciler
from podhatch_operator.runtime.event_reconciler import EventReconciler
from podhatch_operator.runtime.filter_reconciler import FilterReconciler
from podhatch_operator.runtime.keys import Key
from podhatch_operator.runtime.metrics import Hops
from podhatch_operator.runtime.run_reconciler import RunReconciler
from podhatch_operator.runtime.workbench import Workbench
from podhatch_operator.runtime.workflow_reconciler import WorkflowReconciler


class Reconciler:
    """Calls the reconciler of a key's kind."""

    def __init__(self, bench: Workbench, hops: Hops) -> None:
        self._of_kind = {
            WORKFLOW_RUN.kind: RunReconciler(bench, hops).reconcile,
            WORKFLOW.kind: WorkflowReconciler(bench).reconcile,
            WORKFLOW_EVENT.kind: EventReconciler(bench).reconcile,
            EVENT_FILTER.kind: FilterReconciler(bench).reconcile,
            CRON_WORKFLOW.kind: CronReconciler(bench).reconcile,
        }

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this object now.

        Raises:
            RetryLater: what was decided is out of date, or a child was refused.
            ApiError, ClusterUnreachable: a request failed.
        """
        await self._of_kind[key.kind](key)
