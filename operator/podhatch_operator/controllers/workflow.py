"""Workflows: whether they are valid, the crons they declare, and revisions without a run."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONTROLLER_REVISION,
    CRON_WORKFLOW,
    WORKFLOW,
    WORKFLOW_RUN,
    ApiError,
    NamespaceTerminating,
)
from podhatch.core.common.observed import ObservedWorkflow
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.workflow.plan import plan_workflow

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import Place
from podhatch_operator.cache.trimming import label
from podhatch_operator.controllers.controller import Controller, owned_by
from podhatch_operator.keys import Key
from podhatch_operator.watch.watched import OURS, Watched, itself, nothing


def _of_run(_: Cache, run: JsonObject) -> Iterable[str]:
    """The last run of a revision may have been this one."""
    return (run["spec"]["workflow"],)


def _owner_of_cron(cron: JsonObject) -> Iterable[str]:
    """Return the Workflow whose onCrons made a CronWorkflow, if one did."""
    owners: list[JsonObject] = cron["metadata"].get("ownerReferences", [])
    return [item["name"] for item in owners if item["kind"] == WORKFLOW.kind][:1]


def _workflow_of_revision(revision: JsonObject) -> Iterable[str]:
    workflow = label(revision, labels.WORKFLOW)
    return [workflow] if workflow else []


class WorkflowController(Controller[ObservedWorkflow]):
    """Checks workflows, and cleans up after them, also after deleted ones."""

    kind = WORKFLOW
    watched = (
        Watched(WORKFLOW, itself),
        Watched(CONTROLLER_REVISION, nothing, OURS, _workflow_of_revision),
        Watched(CRON_WORKFLOW, lambda _, cron: _owner_of_cron(cron), index=_owner_of_cron),
        Watched(WORKFLOW_RUN, nothing, affects_when_gone=_of_run),
    )

    @classmethod
    def places(cls, cache: Cache) -> Iterable[Place]:
        """Return all workflows, also deleted ones that have revisions."""
        places = {*super().places(cache)}
        for place in cache.places(CONTROLLER_REVISION):
            if revision := cache.get(CONTROLLER_REVISION, place):
                places.update((place[0], name) for name in _workflow_of_revision(revision))
        return sorted(places)

    @staticmethod
    def observe(cache: Cache, namespace: str, name: str) -> ObservedWorkflow:
        """Return the workflow, if it exists, with its crons and its revisions."""
        workflow = cache.get(WORKFLOW, (namespace, name))
        crons = cache.group(CRON_WORKFLOW, namespace, name)
        return ObservedWorkflow(
            workflow,
            crons=owned_by(workflow, crons) if workflow else {},
            revisions=dict(cache.revisions(namespace, name)),
            other_sources=lambda: cache.sources(namespace, without=name),
        )

    def observe_all(self, key: Key) -> ObservedWorkflow | None:
        """Return the workflow with the revisions that runs hold now."""
        observed = super().observe_all(key)
        pinned = self.context.cache.pins.held(key.namespace, key.name, self.context.now())
        return observed and replace(observed, pinned=pinned)

    def plan(self, observed: ObservedWorkflow, now: datetime) -> Plan:
        """Return the workflow's status, and what to create and to delete."""
        return plan_workflow(observed, self.context.defaults, now)

    def subject(self, observed: ObservedWorkflow) -> JsonObject | None:
        """Return the workflow."""
        return observed.workflow

    async def learn(
        self,
        key: Key,  # noqa: ARG002
        observed: ObservedWorkflow,
        plan: Plan,
        now: datetime,
    ) -> tuple[ObservedWorkflow, Plan]:
        """Let the API server validate the workflow's pods by a dry run.

        An answer that is not about the pods, such as an exceeded quota, is left to the runs.
        """
        if not plan.dry_run:
            return observed, plan
        refused: dict[str, ApiRefusal] = {}
        for field, manifest in plan.dry_run.items():
            try:
                await self.context.cluster.create(manifest, dry_run=True)
            except NamespaceTerminating:
                raise
            except ApiError as error:
                refused[field] = ApiRefusal(error.status, error.message)
        observed = replace(observed, refused_pods=refused)
        return observed, self.plan(observed, now)
