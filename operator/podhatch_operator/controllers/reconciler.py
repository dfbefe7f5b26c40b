"""Bring one object to where it should be: each kind of key has a reconciler of its own.

Workers call it with a key from the queue. What it raises is tried again, later each time.
"""

import traceback
from pathlib import Path

from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.cluster import (
    CRON_WORKFLOW,
    EVENT_FILTER,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    ApiError,
    ClusterUnreachable,
    Kind,
)
from podhatch.core.common.plan_failure import failure_status, failure_summary
from podhatch.core.common.unreadable import plan_unreadable

from podhatch_operator.controllers.cron import CronReconciler
from podhatch_operator.controllers.event import EventReconciler
from podhatch_operator.controllers.filter import FilterReconciler
from podhatch_operator.controllers.reconcile_context import PlanFailed, ReconcileContext, RetryLater
from podhatch_operator.controllers.run import RunReconciler
from podhatch_operator.controllers.workflow import WorkflowReconciler
from podhatch_operator.ops.metrics import Hops
from podhatch_operator.queue.keys import Key


class Reconciler:
    """Calls the reconciler of a key's kind."""

    def __init__(self, context: ReconcileContext, hops: Hops) -> None:
        self._context = context
        self._of_kind = {
            WORKFLOW_RUN.kind: (WORKFLOW_RUN, RunReconciler(context, hops).reconcile),
            WORKFLOW.kind: (WORKFLOW, WorkflowReconciler(context).reconcile),
            WORKFLOW_EVENT.kind: (WORKFLOW_EVENT, EventReconciler(context).reconcile),
            EVENT_FILTER.kind: (EVENT_FILTER, FilterReconciler(context).reconcile),
            CRON_WORKFLOW.kind: (CRON_WORKFLOW, CronReconciler(context).reconcile),
        }

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this object now.

        Raises:
            RetryLater: what was decided is out of date, or a child was refused.
            PlanFailed: nothing could be decided; the object's status says why.
            ApiError, ClusterUnreachable: a request failed.
        """
        kind, reconcile = self._of_kind[key.kind]
        raw = self._context.cache.get(kind, (key.namespace, key.name))
        if raw is not None and UNREADABLE in raw:
            await self._tell_unreadable(kind, key, raw)
            return
        try:
            await reconcile(key)
        except (RetryLater, ApiError, ClusterUnreachable):
            raise
        except Exception as error:
            await self._tell_failure(kind, key, error)

    async def _tell_unreadable(self, kind: Kind, key: Key, raw: JsonObject) -> None:
        """Say of an object that it is too large, and delete it in time."""
        context = self._context
        plan = plan_unreadable(raw, context.defaults, context.now())
        if plan.status is not None:
            await context.write_status(kind, raw, plan.status)
        await context.children.delete(key.namespace, plan.delete)
        context.look_again_at(key, plan.requeue_at)

    async def _tell_failure(self, kind: Kind, key: Key, error: Exception) -> None:
        """Write into the object's status that it cannot be planned, and why.

        Raises:
            PlanFailed: always.
        """
        context = self._context
        summary = f"{failure_summary(error)} (at {_place(error)})"
        raw = context.cache.get(kind, (key.namespace, key.name))
        status = failure_status(raw, error, context.now()) if raw else None
        if raw is not None and status is not None:
            try:
                await context.write_status(kind, raw, status)
            except ApiError as refusal:
                summary += f"; its status was refused: {failure_summary(refusal)}"
        raise PlanFailed(f"cannot plan: {summary}") from None


def _place(error: Exception) -> str:
    """Return the line of code that raised, as the last of the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
