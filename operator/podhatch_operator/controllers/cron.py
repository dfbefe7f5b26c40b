"""Carries out the plans of crons: the CronJob, the runs of its ticks, and what their Jobs say.

Called for the keys of CronWorkflows.
"""

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import CRON_JOB, CRON_WORKFLOW, JOB, WORKFLOW_RUN, ApiError, Kind
from podhatch.core.common.observed import ObservedCron
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.cron.plan import CronPlan, plan_cron
from podhatch.core.cron.tick import is_live
from podhatch.core.pod.pods import is_controlled_by

from podhatch_operator.cache.store import Place, place_of, version_of
from podhatch_operator.cache.trimming import label
from podhatch_operator.controllers.observing import observe_cron
from podhatch_operator.controllers.reconcile_context import ReconcileContext, RetryLater
from podhatch_operator.queue.keys import Key, run_key
from podhatch_operator.write.children import is_refused


class CronReconciler:
    """Brings a cron and its ticks a step further."""

    def __init__(self, context: ReconcileContext) -> None:
        self._context = context

    async def reconcile(self, key: Key) -> None:
        """Do what there is to do for this cron now."""
        context = self._context
        observed = observe_cron(context.cache, key.namespace, key.name)
        now = context.now()
        plan = plan_cron(observed, now)
        refused = await self._bring_in_line(key, observed, plan)
        for manifest in plan.runs:
            if await self._is_there(observed.ticks[manifest["metadata"]["name"]]):
                refused |= await self._start(key, manifest)
        for name in plan.cancel:
            await self._cancel(key, observed, name)
        for name, status in plan.jobs.items():
            await self._write(JOB, {**observed.ticks[name], "status": status})
        if refused:
            plan = plan_cron(observed, now, refused)
        if observed.cron is not None and plan.status is not None:
            await context.write_status(CRON_WORKFLOW, observed.cron, plan.status)
        context.look_again_at(key, plan.requeue_at)
        for kind, refusal in refused.items():
            raise RetryLater(f"a {kind} was refused ({refusal.code}): {refusal.message}")

    async def _bring_in_line(
        self, key: Key, observed: ObservedCron, plan: CronPlan
    ) -> dict[str, ApiRefusal]:
        """Create or change the CronJob."""
        context = self._context
        try:
            if plan.create is not None and observed.cron is not None:
                return await self._create_cron_job(observed.cron, plan.create)
            if plan.patch is not None:
                patched = await context.cluster.merge_patch(
                    CRON_JOB, key.namespace, key.name, plan.patch
                )
                context.cache.apply(CRON_JOB, patched)
        except ApiError as error:
            if error.status == 404:
                raise RetryLater(str(error)) from None  # its deletion is on its way to us
            return {CRON_JOB.kind: _refusal(error)}
        return {}

    async def _create_cron_job(
        self, cron: JsonObject, manifest: JsonObject
    ) -> dict[str, ApiRefusal]:
        context = self._context
        spec = {name: value for name, value in manifest["spec"].items() if value is not None}
        try:
            created = await context.cluster.create({**manifest, "spec": spec})
        except ApiError as error:
            if error.status != 409:
                raise
            return await self._adopt_cron_job(cron, manifest)
        context.cache.apply(CRON_JOB, created)
        return {}

    async def _adopt_cron_job(
        self, cron: JsonObject, manifest: JsonObject
    ) -> dict[str, ApiRefusal]:
        """Take the CronJob that is there for ours if it is: somebody may have taken its label."""
        context, place = self._context, place_of(manifest)
        existing = await context.cluster.get(CRON_JOB, *place)
        if not is_controlled_by(existing, cron):
            message = "one of this name exists that is not this cron's: delete or rename either"
            return {CRON_JOB.kind: ApiRefusal(409, message)}
        parts = {
            "metadata": {"labels": manifest["metadata"]["labels"]},
            "spec": manifest["spec"],
        }
        context.cache.apply(CRON_JOB, await context.cluster.merge_patch(CRON_JOB, *place, parts))
        return {}

    async def _is_there(self, job: JsonObject) -> bool:
        """Ask once more: of a tick whose Job was deleted, a deleted run must not come back."""
        found = await self._found(JOB, place_of(job))
        return found is not None and _is_same(found, job) and is_live(found)

    async def _start(self, key: Key, manifest: JsonObject) -> dict[str, ApiRefusal]:
        """Create the run of a tick, if it is not there; the tick's Job is told of it next."""
        context = self._context
        try:
            run = await context.cluster.create(manifest)
        except ApiError as error:
            if error.status != 409:
                return {WORKFLOW_RUN.kind: _refusal(error)}
            run = await context.cluster.get(WORKFLOW_RUN, *place_of(manifest))
        self._learn_run(run)
        context.queue.add(key)
        return {}

    async def _cancel(self, key: Key, observed: ObservedCron, name: str) -> None:
        """Cancel a run whose tick is gone, unless the cron is gone with it: then it goes on.

        The tick is asked for first: it goes after its cron, so then we know which went.
        """
        context, run = self._context, observed.runs[name]
        job = await self._found(JOB, (key.namespace, name))
        if job is not None and is_live(job):
            await self._take_back(key, job)
            return
        cron = await self._found(CRON_WORKFLOW, (key.namespace, key.name))
        if cron is None or not _is_same(cron, observed.cron):
            return
        if "deletionTimestamp" in cron["metadata"]:
            return
        version = run["metadata"]["resourceVersion"]
        body = {"metadata": {"resourceVersion": version}, "spec": {"desiredState": "Cancelled"}}
        try:
            self._learn_run(
                await context.cluster.merge_patch(WORKFLOW_RUN, key.namespace, name, body)
            )
        except ApiError as error:
            if error.status == 409:
                raise RetryLater(str(error)) from None
            if error.status != 404:
                raise

    async def _take_back(self, key: Key, job: JsonObject) -> None:
        """Label a tick's Job again: to the watch of our labels, one that lost them is gone."""
        context = self._context
        if (label(job, labels.CRON) or key.name) != key.name:
            return  # somebody made it another cron's
        names = {labels.CRON: key.name, labels.MANAGED_BY: labels.MANAGED_BY_VALUE}
        body = {"metadata": {"labels": names, "uid": job["metadata"]["uid"]}}
        job = await context.cluster.merge_patch(JOB, *place_of(job), body)
        if context.cache.apply(JOB, job):
            context.queue.add(key)

    async def _found(self, kind: Kind, place: Place) -> JsonObject | None:
        try:
            return await self._context.cluster.get(kind, *place)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

    async def _write(self, kind: Kind, raw: JsonObject) -> None:
        """Write the status of an object that is not ours alone: all of it as it was observed."""
        context = self._context
        try:
            context.cache.apply(kind, await context.cluster.replace_status(raw))
        except ApiError as error:
            if error.status == 409:
                raise RetryLater(str(error)) from None
            if error.status != 404:
                raise
            context.cache.remove(kind, place_of(raw), version_of(raw))

    def _learn_run(self, run: JsonObject) -> None:
        """What we wrote ourselves is no news when the watch tells it."""
        self._context.cache.apply(WORKFLOW_RUN, run)
        self._context.queue.add(run_key(*place_of(run)))


def _is_same(one: JsonObject, other: JsonObject | None) -> bool:
    return other is not None and one["metadata"]["uid"] == other["metadata"]["uid"]


def _refusal(error: ApiError) -> ApiRefusal:
    """Return what the API server refuses for good, so that the user can be told.

    Raises:
        ApiError: any other failure.
    """
    if not is_refused(error):
        raise error
    return ApiRefusal(error.status, error.message)
