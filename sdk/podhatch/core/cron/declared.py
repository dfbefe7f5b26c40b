"""The crons that a workflow's own onCrons declare: objects that come and go with the expressions.

Crons that somebody created beside them are not touched.
"""

from collections.abc import Mapping

from podhatch.api import labels
from podhatch.api.cron import DEFAULT_TIME_ZONE, MAX_CRON_NAME
from podhatch.api.cron_expression import schedule_problem
from podhatch.api.model import JsonObject, controlled_by
from podhatch.api.names import short_hash, slug
from podhatch.api.workflow import Workflow, WorkflowSpec
from podhatch.core.common.plan import Apply, Delete
from podhatch.core.common.refusal import ApiRefusal

_DECLARED = ("workflow", "schedule", "input")
"""What the workflow decides; the rest, such as suspend, is the user's until the cron goes."""


def cron_problems(spec: WorkflowSpec) -> list[str]:
    """Say which of a workflow's expressions are none, a sentence with the field each."""
    return [
        problem.replace("spec.schedule", "spec.onCrons", 1)
        for expression in spec.on_crons
        if (problem := schedule_problem(expression, DEFAULT_TIME_ZONE))
    ]


def declared_cron_writes(
    workflow: Workflow, existing: Mapping[str, JsonObject]
) -> list[Apply | Delete]:
    """Return what to do about the crons of a workflow.

    Args:
        workflow: as it is now.
        existing: CronWorkflows that it owns, by name.
    """
    if workflow.metadata.deletion_timestamp:
        return []
    wanted = _wanted(workflow)
    apply = [
        Apply(manifest)
        for name, manifest in wanted.items()
        if name not in existing or not _is_in_line(existing[name], manifest)
    ]
    return [*apply, *(Delete("CronWorkflow", name) for name in existing if name not in wanted)]


def refused_crons(workflow: Workflow, refusals: Mapping[str, ApiRefusal]) -> dict[str, ApiRefusal]:
    """Return by schedule the crons that the API server did not accept."""
    return {
        manifest["spec"]["schedule"]: refusals[name]
        for name, manifest in _wanted(workflow).items()
        if name in refusals
    }


def _wanted(workflow: Workflow) -> dict[str, JsonObject]:
    manifests = (
        _manifest(workflow, " ".join(expression.split()))
        for expression in workflow.spec.on_crons
        if schedule_problem(expression, DEFAULT_TIME_ZONE) is None
    )
    return {manifest["metadata"]["name"]: manifest for manifest in manifests}


def _is_in_line(existing: JsonObject, manifest: JsonObject) -> bool:
    return all(
        existing["spec"].get(name, {}) == manifest["spec"].get(name, {}) for name in _DECLARED
    )


def _manifest(workflow: Workflow, expression: str) -> JsonObject:
    metadata = workflow.metadata
    suffix = short_hash(f"{metadata.name}/{expression}")
    spec: JsonObject = {"workflow": metadata.name, "schedule": expression}
    if workflow.spec.cron_input:
        spec["input"] = workflow.spec.cron_input
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "CronWorkflow",
        "metadata": {
            "name": f"{slug(metadata.name, MAX_CRON_NAME - 9)}-{suffix}",
            "namespace": metadata.namespace,
            "labels": {
                labels.MANAGED_BY: labels.MANAGED_BY_VALUE,
                labels.WORKFLOW: metadata.name,
            },
            "ownerReferences": [controlled_by(workflow)],
        },
        "spec": spec,
    }
