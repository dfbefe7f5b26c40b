"""What a Workflow needs: its status, the crons it declares, and the clean-up of old revisions."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from podhatch.api.model import JsonObject
from podhatch.api.workflow import Workflow
from podhatch.core.common.observed import UNDECIDED, Defaults, ObservedWorkflow
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.cron.declared import declared_cron_writes, refused_crons
from podhatch.core.pod.check import dry_run_jobs
from podhatch.core.workflow.revision import (
    current_revision,
    is_intact,
    pinned_spec,
    shipped_sources,
)
from podhatch.core.workflow.validate import check_workflow, needs_dry_run

CLEAN_UP_AGAIN = timedelta(seconds=30)
"""A revision may be deleted once every run under way has said which one it pins."""


def plan_workflow(observed: ObservedWorkflow, defaults: Defaults, now: datetime) -> Plan:
    """Return the next steps of a workflow, also of one that is gone but for its revisions."""
    plan = _clean_up(observed, now)
    if observed.workflow is None:
        return plan
    workflow = Workflow.model_validate(observed.workflow)
    check = check_workflow(
        observed.workflow,
        now,
        refused_crons(workflow, observed.refusals),
        observed.refused_pods,
        defaults.max_cluster_access,
        observed.answers,
    )
    if check.evaluate:
        return check
    asks = observed.refused_pods is None and needs_dry_run(observed.workflow, observed.answers)
    return Plan(
        (*declared_cron_writes(workflow, observed.crons), *plan.writes),
        status=check.status,
        requeue_at=plan.requeue_at,
        dry_run=dry_run_jobs(observed.workflow, defaults) if asks else {},
    )


def _clean_up(observed: ObservedWorkflow, now: datetime) -> Plan:
    """Delete the revisions that no run pins, and sources that no other workflow ships.

    Sources go first: once its revision is gone, nothing refers to a source any more.
    """
    unused = unused_revisions(observed.workflow, observed.revisions, observed.pinned)
    if not unused:
        return Plan()
    if UNDECIDED in observed.pinned:
        return Plan(requeue_at=now + CLEAN_UP_AGAIN)
    shared = observed.other_sources()
    sources = [each for each in unused if each.kind == "ConfigMap"]
    delete = [each for each in sources if each.name not in shared]
    return Plan((*delete, *(each for each in unused if each not in sources)))


def unused_revisions(
    workflow: JsonObject | None,
    revisions: Mapping[str, JsonObject],
    in_use: Collection[str],
) -> tuple[Delete, ...]:
    """Return the revisions no run has pinned, and the shipped sources that only they refer to.

    What has another content than its name says is not ours to delete.

    Args:
        workflow: as it is now; None when it was deleted.
        revisions: all of the workflow.
        in_use: those that runs have pinned.
    """
    current = current_revision(workflow).name if workflow else None
    revisions = {name: each for name, each in revisions.items() if is_intact(each)}
    unused = [name for name in revisions if name not in in_use and name != current]
    specs = [pinned_spec(revisions[name]) for name in revisions if name not in unused]
    if workflow:
        specs.append(workflow["spec"])
    sources = shipped_sources(pinned_spec(revisions[name]) for name in unused)
    sources -= shipped_sources(specs)
    return tuple(
        [Delete("ControllerRevision", name) for name in unused]
        + [Delete("ConfigMap", name) for name in sorted(sources)]
    )
