"""Pages of a durable task's log, as its pod writes them, for tests of the core."""

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import durable_log_name

from tests.fakes.objects import RUN_UID, ago, attempt_name


def wait(
    node: int, *conditions: JsonObject, seconds_ago: float = 0, **fields: object
) -> JsonObject:
    """Return a call that waits for conditions."""
    call = {"node": node, "kind": "WaitFor", "key": "k", "at": ago(seconds_ago)}
    return {**call, "waitFor": [*conditions], **fields}


def child_call(
    node: int, run: str = "child-1", seconds_ago: float = 0, **fields: object
) -> JsonObject:
    """Return a call that waits for a child run."""
    return {
        "node": node,
        "kind": "Run",
        "key": "k",
        "at": ago(seconds_ago),
        "child": run,
        **fields,
    }


def memo(node: int, **fields: object) -> JsonObject:
    return {"node": node, "kind": "Memo", "key": "k", "at": ago(0), **fields}


def sleep(seconds: float) -> JsonObject:
    return {"sleepSeconds": seconds}


def awaits(key: str = "go", **fields: object) -> JsonObject:
    return {"event": {"key": key, **fields}}


def page(
    *calls: JsonObject,
    number: int = 0,
    task: str = "a",
    waits: list[JsonObject] | None = None,
    **spec: object,
) -> JsonObject:
    """Return a page of the log of a task of the run."""
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "DurableLog",
        "metadata": {
            "name": f"{durable_log_name(attempt_name(task))}-{number}",
            "namespace": "team",
            "generation": 1,
            "creationTimestamp": ago(3600),
            "labels": {labels.RUN: "flow-1", labels.TASK: task},
            "ownerReferences": [{"kind": "WorkflowRun", "name": "flow-1", "uid": RUN_UID}],
        },
        "spec": {
            "run": "flow-1",
            "task": task,
            "page": number,
            "invocation": 1,
            "calls": [*calls],
            **spec,
        },
        **({"status": {"waits": waits}} if waits is not None else {}),
    }


def over(node: int, branch: int = 1, seconds_ago: float = 0, **fields: object) -> JsonObject:
    """Return a wait that is over, as the operator writes it."""
    return {"node": node, "branch": branch, "overAt": ago(seconds_ago), **fields}


def by_name(*pages: JsonObject) -> dict[str, JsonObject]:
    return {each["metadata"]["name"]: each for each in pages}
