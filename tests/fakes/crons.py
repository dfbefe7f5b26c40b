"""Raw objects of crons as the API server would return them, for tests of the core."""

import json

from podhatch.api import labels
from podhatch.api.model import JsonObject

from tests.fakes.objects import ago

NIGHTLY = "nightly"
MANAGED = {"managedBy": labels.MANAGED_BY_OPERATOR}
TOO_DEEP: JsonObject = json.loads('{"a":' * 300 + "{}" + "}" * 300)


def cron(status: JsonObject | None = None, created: str = "", **spec: object) -> JsonObject:
    """Return a CronWorkflow of the workflow `flow`, which ticks at 3:17 in UTC."""
    raw: JsonObject = {
        "apiVersion": labels.API_VERSION,
        "kind": "CronWorkflow",
        "metadata": {
            "name": NIGHTLY,
            "namespace": "team",
            "uid": "cron-uid",
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": created or ago(3600),
        },
        "spec": {"workflow": "flow", "schedule": "17 3 * * *", **spec},
    }
    return raw | ({"status": status} if status else {})


def tick(name: str, scheduled: str | None = None, **status: object) -> JsonObject:
    """Return the Job of a tick; by hand if nothing says when it was due."""
    by_controller = {"batch.kubernetes.io/cronjob-scheduled-timestamp": scheduled}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": "team",
            "uid": f"uid-of-{name}",
            "creationTimestamp": ago(2),
            "labels": {labels.CRON: NIGHTLY},
            "annotations": by_controller if scheduled else {},
        },
        "spec": dict(MANAGED),
        "status": status,
    }
