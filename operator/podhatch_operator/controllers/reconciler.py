"""All controllers, and the way from a key of the queue to the controller of its kind."""

import traceback
from pathlib import Path
from typing import Any

from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.cluster import ApiError, ClusterUnreachable, Kind
from podhatch.core.common.plan_failure import failure_status, failure_summary
from podhatch.core.unreadable import plan_unreadable

from podhatch_operator.cache.cache import Cache
from podhatch_operator.controllers.controller import Controller, ReconcileContext
from podhatch_operator.controllers.cron import CronController
from podhatch_operator.controllers.durable_log import DurableLogController
from podhatch_operator.controllers.event import EventController
from podhatch_operator.controllers.filter import FilterController
from podhatch_operator.controllers.rate_limit import RateLimitController
from podhatch_operator.controllers.run import RunController
from podhatch_operator.controllers.workflow import WorkflowController
from podhatch_operator.keys import Key
from podhatch_operator.queue.workers import PlanFailed, RetryLater
from podhatch_operator.watch.watched import WatchList

CONTROLLERS: tuple[type[Controller[Any]], ...] = (
    WorkflowController,
    CronController,
    FilterController,
    RateLimitController,
    RunController,
    DurableLogController,
    EventController,
)
"""In the order in which their keys are reconciled at the start, and after a change."""
WATCH_LIST = WatchList([each.watched for each in CONTROLLERS])


def all_keys(cache: Cache) -> list[Key]:
    """Return everything there is to reconcile."""
    return [Key(each.kind.kind, *place) for each in CONTROLLERS for place in each.places(cache)]


class Reconciler:
    """Calls the controller of a key's kind. After an error the key is retried with backoff."""

    def __init__(self, context: ReconcileContext) -> None:
        self._context = context
        self._controllers = {each.kind.kind: each(context) for each in CONTROLLERS}

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this object now.

        Raises:
            RetryLater: what was decided is out of date, or a child was refused.
            PlanFailed: nothing could be decided; the object's status says why.
            ApiError, ClusterUnreachable: a request failed.
        """
        controller = self._controllers[key.kind]
        kind = controller.kind
        raw = self._context.cache.get(kind, (key.namespace, key.name))
        if raw is not None and UNREADABLE in raw:
            await self._reconcile_unreadable(kind, key, raw)
            return
        try:
            await controller.reconcile(key)
        except (RetryLater, ApiError, ClusterUnreachable):
            raise
        except Exception as error:
            await self._tell_failure(kind, key, error)

    async def _reconcile_unreadable(self, kind: Kind, key: Key, raw: JsonObject) -> None:
        """Write that an object is too large, and delete it in time."""
        context = self._context
        plan = plan_unreadable(raw, context.defaults, context.now())
        if plan.status is not None:
            await context.executor.write_status(kind, raw, plan.status)
        await context.executor.execute(key.namespace, plan.writes)
        context.requeue_at(key, plan.requeue_at)

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
                await context.executor.write_status(kind, raw, status)
            except ApiError as refusal:
                summary += f"; its status was refused: {failure_summary(refusal)}"
        raise PlanFailed(f"cannot plan: {summary}") from None


def _place(error: Exception) -> str:
    """Return the line of code that raised, as the last of the traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "an unknown place"
