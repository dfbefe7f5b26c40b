"""Carries out the plan of the crons that a workflow's onCrons declare.

Called by the reconciler of workflows.
"""

from podhatch.api.model import JsonObject
from podhatch.cluster import CRON_WORKFLOW, ApiError, kind_of
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.cron.declared import plan_declared_crons

from podhatch_operator.cache.store import place_of
from podhatch_operator.controllers.observing import crons_of
from podhatch_operator.controllers.reconcile_context import ReconcileContext
from podhatch_operator.queue.keys import cron_key
from podhatch_operator.write.children import is_refused

FIELD_MANAGER = "podhatch-operator"


async def declare_crons(context: ReconcileContext, workflow: JsonObject) -> dict[str, ApiRefusal]:
    """Create, bring in line and delete the CronWorkflows that a Workflow's onCrons declare.

    Returns:
        By schedule, what the API server did not accept.
    """
    refused: dict[str, ApiRefusal] = {}
    existing = crons_of(context.cache, workflow)
    plan = plan_declared_crons(workflow, existing)
    for manifest in plan.apply:
        try:
            applied = await context.cluster.apply(manifest, field_manager=FIELD_MANAGER)
        except ApiError as error:
            if not is_refused(error):
                raise
            refused[manifest["spec"]["schedule"]] = ApiRefusal(error.status, error.message)
            continue
        context.cache.apply(kind_of(manifest), applied)
        context.queue.add(cron_key(*place_of(applied)))
    for name in plan.delete:
        metadata = existing[name]["metadata"]
        try:
            await context.cluster.delete(
                CRON_WORKFLOW, metadata["namespace"], name, uid=metadata["uid"]
            )
        except ApiError as error:
            if error.status not in (404, 409):
                raise
    return refused
