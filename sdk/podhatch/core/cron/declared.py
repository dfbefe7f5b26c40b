"""The crons that a workflow's own onCrons declare: objects that come and go with the expressions.

Crons that somebody created beside them are not touched. Called by the reconciler of workflows.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from podhatch.api import labels
from podhatch.api.cron import DEFAULT_TIME_ZONE, MAX_CRON_NAME
from podhatch.api.cron_expression import schedule_problem
from podhatch.api.model import JsonObject
from podhatch.api.names import short_hash, slug
from podhatch.api.workflow import Workflow, WorkflowSpec

_DECLARED = ("workflow", "schedule", "input")
"""What the workflow decides; the rest, such as suspend, is the user's until the cron goes."""


@dataclass(frozen=True)
class DeclaredCrons:
    """The steps from the crons that are to those that should be."""

    apply: tuple[JsonObject, ...] = ()
    """Whole manifests, to create or to bring in line."""
    delete: tuple[str, ...] = ()
    """Names of those whose expression is no longer there."""


def cron_problems(spec: WorkflowSpec) -> list[str]:
    """Say which of a workflow's expressions are none, a sentence with the field each."""
    return [
        problem.replace("spec.schedule", "onCrons", 1)
        for expression in spec.on_crons
        if (problem := schedule_problem(expression, DEFAULT_TIME_ZONE))
    ]


def plan_declared_crons(workflow: JsonObject, existing: Mapping[str, JsonObject]) -> DeclaredCrons:
    """Return what to do about the crons of a workflow.

    Args:
        workflow: as it is now.
        existing: CronWorkflows that it owns, by name.
    """
    parsed = Workflow.model_validate(workflow)
    if parsed.metadata.deletion_timestamp:
        return DeclaredCrons()
    wanted = {
        manifest["metadata"]["name"]: manifest
        for expression in parsed.spec.on_crons
        if schedule_problem(expression, DEFAULT_TIME_ZONE) is None
        for manifest in [_manifest(parsed, " ".join(expression.split()))]
    }
    return DeclaredCrons(
        apply=tuple(
            manifest
            for name, manifest in wanted.items()
            if name not in existing or not _is_in_line(existing[name], manifest)
        ),
        delete=tuple(name for name in existing if name not in wanted),
    )


def _is_in_line(existing: JsonObject, manifest: JsonObject) -> bool:
    return all(
        existing["spec"].get(name, {}) == manifest["spec"].get(name, {}) for name in _DECLARED
    )


def _manifest(workflow: Workflow, expression: str) -> JsonObject:
    metadata = workflow.metadata
    owner = {
        "apiVersion": workflow.api_version,
        "kind": workflow.kind,
        "name": metadata.name,
        "uid": metadata.uid,
        "controller": True,
    }
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
            "ownerReferences": [owner],
        },
        "spec": spec,
    }
