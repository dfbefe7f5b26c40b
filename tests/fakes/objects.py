"""Raw objects as the API server would return them, for tests of the core."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import job_name
from podhatch.core.common.observed import Defaults

NOW = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)
JOB_UID = "job-uid"
RUN_UID = "run-uid"
DEFAULTS = Defaults(runner_image="runner:test")


def time_text(moment: datetime) -> str:
    """Return a time as most of Kubernetes writes it, to the second."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def ago(seconds: float) -> str:
    return time_text(NOW - timedelta(seconds=seconds))


def task(name: str, *parents: str, **fields: object) -> JsonObject:
    """Return a python task, unless `container` is among the fields."""
    kind: JsonObject = {} if "container" in fields else {"python": f"module:{name}"}
    relation: JsonObject = {"parents": list(parents)} if parents else {}
    return {"name": name, **kind, **relation, **fields}


def container_task(name: str, *parents: str, **fields: object) -> JsonObject:
    return task(name, *parents, container={"image": "any:1", "command": ["sh"]}, **fields)


def workflow(*tasks: JsonObject, **spec: object) -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Workflow",
        "metadata": {"name": "flow", "namespace": "team", "uid": "wf-uid", "generation": 1},
        "spec": {"tasks": list(tasks), **spec},
    }


def run(status: JsonObject | None = None, **spec: object) -> JsonObject:
    raw: JsonObject = {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {
            "name": "flow-1",
            "namespace": "team",
            "uid": RUN_UID,
            "generation": 1,
            "resourceVersion": "1",
            "creationTimestamp": ago(1),
        },
        "spec": {"workflow": "flow", **spec},
    }
    return raw | ({"status": status} if status else {})


def attempt_name(task_name: str, number: int = 1) -> str:
    return job_name("flow-1", RUN_UID, task_name, number)


def job(
    task_name: str,
    created: str | None = None,
    number: int = 1,
    replay: int = 0,
    conditions: Mapping[str, str] | None = None,
    **condition: str,
) -> JsonObject:
    """Return a Job of the run; conditions by type=reason, such as Failed="DeadlineExceeded"."""
    found = [
        {"type": kind, "status": "True", "reason": reason, "lastTransitionTime": ago(0)}
        for kind, reason in (condition | dict(conditions or {})).items()
    ]
    return {
        "metadata": {
            "name": attempt_name(task_name, number),
            "namespace": "team",
            "uid": JOB_UID,
            "creationTimestamp": created or ago(1),
            "labels": {
                labels.REVISION: "flow-pinned",
                labels.TASK: task_name,
                labels.ATTEMPT: str(number),
            },
            "ownerReferences": [{"kind": "WorkflowRun", "uid": RUN_UID, "controller": True}],
            "annotations": {labels.REPLAY: str(replay)} if replay else {},
        },
        "spec": {"activeDeadlineSeconds": 420},
        "status": {"conditions": found},
    }


def pod(
    state: JsonObject | None = None, *, node: str | None = "node-1", **status: object
) -> JsonObject:
    """Return a Job's pod whose container is in this state (waiting, running or terminated)."""
    statuses = [{"name": "task", "state": state}] if state else []
    return {
        "metadata": {
            "name": "pod",
            "creationTimestamp": ago(1),
            "ownerReferences": [{"kind": "Job", "uid": JOB_UID, "controller": True}],
        },
        "spec": {
            "containers": [{"name": "task", "image": "any:1"}],
            **({"nodeName": node} if node else {}),
        },
        "status": {"containerStatuses": statuses, **status},
    }


def terminated(exit_code: int, message: str = "", **fields: object) -> JsonObject:
    return {
        "terminated": {
            "exitCode": exit_code,
            "message": message,
            "startedAt": ago(1),
            "finishedAt": ago(0),
            **fields,
        }
    }


def report(task_name: str, outcome: str = "Succeeded", **fields: object) -> JsonObject:
    """Return a report of the first attempt: the spec of a TaskResult, and a termination message."""
    return {"run": "flow-1", "task": task_name, "attempt": 1, "outcome": outcome, **fields}


def result(task_name: str, outcome: str = "Succeeded", **fields: object) -> JsonObject:
    return {
        "metadata": {"name": attempt_name(task_name)},
        "spec": report(task_name, outcome, **fields),
    }


def jobs_of(results: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    """Return the Jobs, by now complete, whose pods have reported."""
    specs = [each["spec"] for each in results.values()]
    jobs = [
        job(spec["task"], number=spec["attempt"], Complete="CompletionsReached") for spec in specs
    ]
    return {each["metadata"]["name"]: each for each in jobs}


def event(key: str = "go", seconds_ago: float = 0, **fields: object) -> JsonObject:
    """Return a WorkflowEvent; `fields` are of its spec."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": {
            "name": f"{key}-1",
            "namespace": "team",
            "creationTimestamp": ago(seconds_ago),
        },
        "spec": {"key": key, **fields},
    }
