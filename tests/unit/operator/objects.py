"""Raw objects as the API server returns them, for tests of what surrounds the core."""

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch_operator.cache.trimming import JOB_NAME

NAMESPACE = "default"


def metadata(name: str, version: int, **more: object) -> JsonObject:
    return {
        "name": name,
        "namespace": NAMESPACE,
        "uid": f"uid-of-{name}",
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-23T12:00:00Z",
        "generation": 1,
        "managedFields": [{"manager": "someone"}],
        **more,
    }


def workflow(version: int = 1, name: str = "flow") -> JsonObject:
    task: JsonObject = {"name": "only", "container": {"image": "any:1", "command": ["true"]}}
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Workflow",
        "metadata": metadata(name, version),
        "spec": {"tasks": [task]},
    }


def run(version: int = 1, name: str = "run", phase: str = "", flow: str = "flow") -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowRun",
        "metadata": metadata(name, version),
        "spec": {"workflow": flow},
        **({"status": {"phase": phase}} if phase else {}),
    }


def child(kind: str, name: str, version: int = 1, of: str = "run") -> JsonObject:
    """Return a Job, Pod or TaskResult of a run; a pod is named after its Job."""
    names = {labels.RUN: of, labels.TASK: "only", JOB_NAME: name.partition(".")[0]}
    owner = {"kind": "WorkflowRun", "name": of, "uid": f"uid-of-{of}", "controller": True}
    return {
        "kind": kind,
        "metadata": metadata(name, version, labels=names, ownerReferences=[owner]),
        "spec": {"long": "text"},
        "status": {"conditions": [{"type": "Complete", "status": "True"}], "more": 1},
    }


def revision(name: str, version: int = 1, flow: str = "flow") -> JsonObject:
    return {
        "kind": "ControllerRevision",
        "metadata": metadata(name, version, labels={labels.WORKFLOW: flow}),
        "data": {},
    }


def event(key: str, version: int = 1) -> JsonObject:
    """Return a WorkflowEvent named as its key."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": metadata(key, version),
        "spec": {"key": key},
    }


def replayed(version: int, phase: str = "Failed") -> JsonObject:
    """Return a finished run that is asked to start over."""
    raw = run(version, phase=phase)
    return {**raw, "spec": {**raw["spec"], "replay": {"count": 1}}}


def cron(name: str = "nightly", version: int = 1, workflow: str = "") -> JsonObject:
    """Return a CronWorkflow, owned by this Workflow if one is named."""
    owner = {"kind": "Workflow", "name": workflow, "uid": f"uid-of-{workflow}", "controller": True}
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "CronWorkflow",
        "metadata": metadata(name, version, ownerReferences=[owner] if workflow else []),
        "spec": {"workflow": "flow", "schedule": "0 3 * * *"},
    }


def cron_job(name: str = "nightly", version: int = 1, owner: str = "") -> JsonObject:
    """Return the CronJob of the cron of its name, unless its owner has another uid."""
    uid = owner or f"uid-of-{name}"
    owners = [{"kind": "CronWorkflow", "name": name, "uid": uid, "controller": True}]
    names = {labels.MANAGED_BY: labels.MANAGED_BY_VALUE}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(name, version, labels=names, ownerReferences=owners),
    }


def tick(name: str, version: int = 1, of: str = "nightly") -> JsonObject:
    """Return the Job of a cron's tick."""
    owner = {"kind": "CronJob", "name": of, "uid": f"uid-of-{of}", "controller": True}
    names = {labels.MANAGED_BY: labels.MANAGED_BY_VALUE, labels.CRON: of}
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, version, labels=names, ownerReferences=[owner]),
        "spec": {"managedBy": labels.MANAGED_BY_OPERATOR},
        "status": {},
    }


def run_of_tick(
    name: str, version: int = 1, phase: str = "Running", of: str = "nightly"
) -> JsonObject:
    trigger = {"cron": {"cron": of, "job": name, "scheduledAt": "2026-11-23T03:00:00Z"}}
    raw = run(version, name, phase)
    return {**raw, "spec": {**raw["spec"], "trigger": trigger}}
