"""Says of each Workflow whether its runs can start, and lets go of what no run holds any more.

Called for the keys of Workflows, also of those that are gone.
"""

from collections.abc import Mapping

from podhatch.api.model import JsonObject
from podhatch.cluster import CONFIG_MAP, WORKFLOW, ApiError, NamespaceTerminating
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.pod.check import dry_run_jobs
from podhatch.core.run.clean_up import unused_revisions
from podhatch.core.workflow.validate import needs_dry_run, plan_workflow

from podhatch_operator.cache.pins import UNDECIDED
from podhatch_operator.controllers.declared_crons import declare_crons
from podhatch_operator.controllers.reconcile_context import ReconcileContext, RetryLater
from podhatch_operator.queue.keys import Key

CLEAN_UP_AGAIN_SECONDS = 30.0
"""A revision may be let go once every run under way has said which one it holds."""


class WorkflowReconciler:
    """Checks workflows, and cleans up after them."""

    def __init__(self, context: ReconcileContext) -> None:
        self._context = context

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this workflow now."""
        context = self._context
        workflow = context.cache.get(WORKFLOW, (key.namespace, key.name))
        refused = await declare_crons(context, workflow) if workflow else {}
        if workflow is not None:
            await self._check(key, workflow, refused)
        await self._let_go_of_revisions(key, workflow)
        for schedule, refusal in refused.items():
            raise RetryLater(f"the cron {schedule!r} was refused: {refusal.message}")

    async def _check(
        self, key: Key, workflow: JsonObject, refused: Mapping[str, ApiRefusal]
    ) -> None:
        context, answers = self._context, self._context.evaluator.answers
        access = context.defaults.max_cluster_access
        plan = plan_workflow(workflow, context.now(), refused, None, access, answers)
        if plan.evaluate:
            context.evaluator.request(key, plan.evaluate)
            return
        if needs_dry_run(workflow, answers):
            pods = await self._dry_run(workflow)
            plan = plan_workflow(workflow, context.now(), refused, pods, access, answers)
        if plan.status is not None:
            await context.write_status(WORKFLOW, workflow, plan.status)

    async def _dry_run(self, workflow: JsonObject) -> dict[str, ApiRefusal]:
        """Ask the API server for its opinion of the workflow's pods, without making any.

        An answer that is not about the pods, such as an exceeded quota, is left to the runs.
        """
        context, refused = self._context, dict[str, ApiRefusal]()
        for place, job in dry_run_jobs(workflow, context.defaults).items():
            try:
                await context.cluster.create(job, dry_run=True)
            except NamespaceTerminating:
                raise
            except ApiError as error:
                refused[place] = ApiRefusal(error.status, error.message)
        return refused

    async def _let_go_of_revisions(self, key: Key, workflow: JsonObject | None) -> None:
        """Delete the revisions that no run holds, and sources that no other workflow ships.

        Sources go first: once its revision is gone, nothing tells of a source any more.
        """
        context = self._context
        revisions = context.cache.revisions(key.namespace, key.name)
        held = context.cache.pins.held(key.namespace, key.name, context.now())
        unused = unused_revisions(workflow, revisions, held)
        if unused and UNDECIDED in held:
            context.queue.add_after(key, CLEAN_UP_AGAIN_SECONDS)
            return
        context.queue.cancel_appointment(key)
        if unused:
            shared = context.cache.sources(key.namespace, without=key.name)
            sources = [child for child in unused if child.kind == CONFIG_MAP.kind]
            delete = [child for child in sources if child.name not in shared]
            delete += [child for child in unused if child not in sources]
            await context.children.delete(key.namespace, delete)
