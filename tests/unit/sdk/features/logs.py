"""Logs of durable tasks in the in-memory cluster."""

from podhatch.api import labels
from podhatch.api.labels import API_VERSION
from podhatch.api.model import JsonObject
from podhatch.api.names import durable_log_name, job_name

from tests.fakes.cluster import FakeCluster


async def create_log(
    cluster: FakeCluster, status: JsonObject, task: JsonObject, *pages: JsonObject
) -> str:
    """Create a run named `one` with the task, and the pages of its log; return the log's name.

    A page has the fields of a spec, and may have a `status`.
    """
    run = await cluster.create(
        {
            "apiVersion": API_VERSION,
            "kind": "WorkflowRun",
            "metadata": {"name": "one", "namespace": "default"},
            "spec": {"workflow": "flow", "input": {}},
        }
    )
    await cluster.replace_status({**run, "status": {**status, "tasks": [task]}})
    log = durable_log_name(job_name("one", run["metadata"]["uid"], task["name"], 1))
    for number, page in enumerate(pages):
        fields = {name: value for name, value in page.items() if name != "status"}
        spec = {"run": "one", "task": task["name"], "page": number, "invocation": 4, **fields}
        metadata = {
            "name": f"{log}-{number}",
            "namespace": "default",
            "labels": {labels.RUN: "one", labels.TASK: task["name"]},
        }
        manifest = {"apiVersion": API_VERSION, "kind": "DurableLog"}
        stored = await cluster.create({**manifest, "metadata": metadata, "spec": spec})
        await cluster.replace_status({**stored, "status": page.get("status", {})})
    return log
