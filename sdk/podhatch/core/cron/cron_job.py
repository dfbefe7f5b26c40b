"""The native CronJob that ticks for a CronWorkflow.

Its Jobs start no pod: `managedBy` gives them to the operator, which creates a run for each.
"""

from typing import cast

from podhatch.api import labels
from podhatch.api.cron import CronWorkflow
from podhatch.api.cron_expression import checked_cron
from podhatch.api.model import JsonObject, controlled_by

KEPT_SUCCEEDED = 3
KEPT_FAILED = 1
"""Kubernetes' own defaults, written out: a limit that was taken back must not stay."""
_EXPLANATION = "This pod never starts: the Job is a tick, of which podhatch makes a WorkflowRun."


def cron_job_manifest(cron: CronWorkflow) -> JsonObject:
    """Return the CronJob. A field that is None is to be absent."""
    metadata = cron.metadata
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {
            "name": metadata.name,
            "namespace": metadata.namespace,
            "labels": _labels(cron),
            "ownerReferences": [controlled_by(cron)],
        },
        "spec": _spec(cron),
    }


def _labels(cron: CronWorkflow) -> dict[str, str]:
    return {
        labels.MANAGED_BY: labels.MANAGED_BY_VALUE,
        labels.CRON: cron.metadata.name,
        labels.WORKFLOW: cron.spec.workflow,
    }


def _spec(cron: CronWorkflow) -> JsonObject:
    spec = cron.spec
    succeeded, failed = spec.successful_runs_history_limit, spec.failed_runs_history_limit
    return {
        "schedule": checked_cron(spec.schedule),
        "timeZone": spec.time_zone,
        "suspend": spec.suspend,
        "concurrencyPolicy": spec.concurrency_policy,
        "startingDeadlineSeconds": spec.starting_deadline_seconds,
        "successfulJobsHistoryLimit": KEPT_SUCCEEDED if succeeded is None else succeeded,
        "failedJobsHistoryLimit": KEPT_FAILED if failed is None else failed,
        "jobTemplate": {
            "metadata": {"labels": _labels(cron)},
            "spec": {
                "managedBy": labels.MANAGED_BY_OPERATOR,
                "backoffLimit": 0,
                "template": {"spec": _pod_spec()},
            },
        },
    }


def _pod_spec() -> JsonObject:
    """Return what policies about pods accept also where they are strict."""
    return {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": 65532,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [
            {
                "name": "tick",
                "image": "podhatch/tick",
                "command": ["echo", _EXPLANATION],
                "securityContext": {
                    "allowPrivilegeEscalation": False,
                    "capabilities": {"drop": ["ALL"]},
                },
            }
        ],
    }


def cron_job_patch(existing: JsonObject, wanted: JsonObject) -> JsonObject | None:
    """Return the merge patch that brings a CronJob back in line; None when it is.

    What the API server or others have added is none of our business.
    """
    parts = {
        "metadata": {"labels": wanted["metadata"]["labels"]},
        "spec": wanted["spec"],
    }
    return None if _holds(existing, parts) else parts


def is_suspended(cron_job: JsonObject) -> bool:
    """Return whether the CronJob makes no ticks."""
    return bool(cron_job["spec"].get("suspend"))


def _holds(actual: object, wanted: object) -> bool:
    if isinstance(wanted, dict):
        there = cast("JsonObject", actual) if isinstance(actual, dict) else {}
        return all(
            _holds(there.get(key), value) for key, value in cast("JsonObject", wanted).items()
        )
    if isinstance(wanted, list):
        items = cast("list[object]", actual) if isinstance(actual, list) else []
        each = cast("list[object]", wanted)
        return len(items) == len(each) and all(map(_holds, items, each))
    return actual == wanted
