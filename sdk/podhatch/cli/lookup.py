"""Finds a run and the shape of its workflow in the cluster. Called by every command."""

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.workflow import WorkflowSpec
from podhatch.cli.arrangement import Parents
from podhatch.cluster import CONTROLLER_REVISION, WORKFLOW, WORKFLOW_RUN, ApiError, Cluster

LATEST = "@latest"


class NoSuchRun(Exception):  # noqa: N818 - it names a state
    """The run is not there; the text is one sentence."""


async def find_name(cluster: Cluster, namespace: str, name: str) -> str:
    """Return the run's name: what the user gave, or the name of the newest run for @latest.

    Raises:
        NoSuchRun: there is no run at all in the namespace.
    """
    if name != LATEST:
        return name
    runs, _ = await cluster.list(WORKFLOW_RUN, namespace, metadata_only=True)
    if not runs:
        raise NoSuchRun(f"there is no WorkflowRun in namespace {namespace}: start one first")
    newest = max(run["metadata"]["creationTimestamp"] for run in runs)
    names = [
        str(run["metadata"]["name"])
        for run in runs
        if run["metadata"]["creationTimestamp"] == newest
    ]
    if len(names) == 1:
        return names[0]
    # Kubernetes dates objects to the second; the operator dates their start more exactly.
    tied = [await get_run(cluster, namespace, name) for name in names]
    return str(max(tied, key=_started)["metadata"]["name"])


async def get_run(cluster: Cluster, namespace: str, name: str) -> JsonObject:
    """Return the run.

    Raises:
        NoSuchRun: it is not there.
    """
    try:
        return await cluster.get(WORKFLOW_RUN, namespace, name)
    except ApiError as error:
        if error.status == 404 and name in error.message:
            raise NoSuchRun(f"there is no WorkflowRun {name} in namespace {namespace}") from None
        raise


async def find_parents(cluster: Cluster, run: WorkflowRun) -> Parents:
    """Return the parents of each task, as the workflow was pinned for the run.

    Without the pinned workflow, or the right to read it, as the workflow is now; without either,
    nothing.
    """
    namespace = run.metadata.namespace
    if run.status and run.status.revision:
        revision = await _try_get(cluster, namespace, run.status.revision, pinned=True)
        if revision is not None:
            return _parents(revision["data"]["spec"])
    workflow = await _try_get(cluster, namespace, run.spec.workflow, pinned=False)
    return _parents(workflow["spec"]) if workflow is not None else {}


async def _try_get(
    cluster: Cluster, namespace: str, name: str, *, pinned: bool
) -> JsonObject | None:
    try:
        return await cluster.get(CONTROLLER_REVISION if pinned else WORKFLOW, namespace, name)
    except ApiError as error:
        if error.status in (403, 404):
            return None
        raise


def _parents(spec: JsonObject) -> Parents:
    """Return the parents; a failure or success task stands below the tasks that come last."""
    workflow = WorkflowSpec.model_validate(spec)
    parents = {task.name: task.parents for task in workflow.tasks}
    inner = {parent for above in parents.values() for parent in above}
    last = [name for name in parents if name not in inner]
    hooks = (workflow.on_failure_task, workflow.on_success_task)
    return parents | {hook.name: last for hook in hooks if hook is not None}


def _started(run: JsonObject) -> str:
    return str(run.get("status", {}).get("startedAt", ""))
