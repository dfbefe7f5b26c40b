"""Finds runs and the shape of their workflows in the cluster. Called by every command on a run."""

from collections import defaultdict

from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES, WorkflowRun
from podhatch.api.workflow import WorkflowSpec
from podhatch.cli.arrangement import Parents
from podhatch.cli.errors import NoSuchRun, did_you_mean
from podhatch.cluster import CONTROLLER_REVISION, WORKFLOW, WORKFLOW_RUN, ApiError, Cluster

LATEST = "@latest"


async def find_run(cluster: Cluster, namespace: str, name: str) -> JsonObject:
    """Return the run of this name, or the newest one for @latest.

    Raises:
        NoSuchRun: There is none; the text names the nearest.
    """
    if name == LATEST:
        name = await _latest(cluster, namespace)
    try:
        return await cluster.get(WORKFLOW_RUN, namespace, name)
    except ApiError as error:
        if error.status != 404 or f'"{name}"' not in error.message:
            raise
    runs, _ = await cluster.list(WORKFLOW_RUN, namespace, metadata_only=True)
    question = did_you_mean(name, (str(run["metadata"]["name"]) for run in runs))
    raise NoSuchRun(f"there is no WorkflowRun {name} in namespace {namespace}{question}")


async def find_children(cluster: Cluster, run: WorkflowRun) -> list[WorkflowRun]:
    """Return the runs that the run's tasks asked for, by task and in the order of their making."""
    selector = f"spec.parent.run={run.metadata.name}"
    found, _ = await cluster.list(WORKFLOW_RUN, run.metadata.namespace, field_selector=selector)
    children = [WorkflowRun.model_validate(item) for item in found]
    return sorted(children, key=_child_key)


async def find_parents(cluster: Cluster, run: WorkflowRun) -> Parents:
    """Return the parents of each task, as the workflow was pinned for the run.

    Without the pinned workflow, or the right to read it, as the workflow is now; without either,
    nothing.
    """
    namespace = run.metadata.namespace
    if run.status and run.status.revision:
        revision = await _try_get(cluster, namespace, run.status.revision, pinned=True)
        if revision is not None:
            return parents_of(WorkflowSpec.model_validate(revision["data"]["spec"]))
    workflow = await _try_get(cluster, namespace, run.spec.workflow, pinned=False)
    if workflow is None:
        return {}
    return parents_of(WorkflowSpec.model_validate(workflow["spec"]))


def parents_of(workflow: WorkflowSpec) -> Parents:
    """Return the parents; a failure or success task stands below the tasks that come last."""
    parents = {task.name: task.parents for task in workflow.tasks}
    inner = {parent for above in parents.values() for parent in above}
    last = [name for name in parents if name not in inner]
    hooks = (workflow.on_failure_task, workflow.on_success_task)
    return parents | {hook.name: last for hook in hooks if hook is not None}


async def _latest(cluster: Cluster, namespace: str) -> str:
    """Return the run created last; one that waits for its time is passed over."""
    runs, _ = await cluster.list(WORKFLOW_RUN, namespace, metadata_only=True)
    by_time: defaultdict[str, list[str]] = defaultdict(list)
    for run in runs:
        by_time[run["metadata"]["creationTimestamp"]].append(str(run["metadata"]["name"]))
    for time in sorted(by_time, reverse=True):
        # Kubernetes dates objects to the second; the operator dates their start more exactly.
        tied = [await cluster.get(WORKFLOW_RUN, namespace, name) for name in by_time[time]]
        if due := [run for run in tied if not _waits(run)]:
            return str(max(due, key=_started)["metadata"]["name"])
    begun = ", or all wait for their time" if runs else ""
    raise NoSuchRun(f"there is no WorkflowRun in namespace {namespace}{begun}: start one first")


def _waits(run: JsonObject) -> bool:
    """Return whether the run is a schedule that has neither started nor ended."""
    status = run.get("status", {})
    scheduled = "startAt" in run["spec"] and not status.get("startedAt")
    return scheduled and status.get("phase") not in TERMINAL_PHASES


async def _try_get(
    cluster: Cluster, namespace: str, name: str, *, pinned: bool
) -> JsonObject | None:
    try:
        return await cluster.get(CONTROLLER_REVISION if pinned else WORKFLOW, namespace, name)
    except ApiError as error:
        if error.status in (403, 404):
            return None
        raise


def _child_key(child: WorkflowRun) -> tuple[str, int, str]:
    parent = child.spec.parent
    assert parent is not None, "selected by its parent"
    return parent.task, -1 if parent.index is None else parent.index, parent.key or ""


def _started(run: JsonObject) -> str:
    return str(run.get("status", {}).get("startedAt", ""))
