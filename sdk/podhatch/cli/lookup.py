"""Finds runs and the shape of their workflows in the cluster. Called by every command on a run."""

from collections.abc import Sequence
from itertools import groupby

from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES, WorkflowRun
from podhatch.api.workflow import WorkflowSpec
from podhatch.cli.arrangement import Parents
from podhatch.cli.errors import NoSuchRun, Refused, did_you_mean
from podhatch.cli.names import given_name, is_object_name
from podhatch.cli.newest import age_key, get_runs, newest_refs
from podhatch.cluster import CONTROLLER_REVISION, WORKFLOW, WORKFLOW_RUN, ApiError, Cluster

LATEST = "@latest"
MAX_COMPARED = 1000
"""A name that is not there is compared with so many, the newest."""


async def find_run(
    cluster: Cluster, namespace: str, given: str, *, certain: bool = False
) -> JsonObject:
    """Return the run of this name, or the newest one for @latest.

    With `certain` it must be clear which one is the newest.

    Raises:
        NoSuchRun: There is none; the text names the nearest.
        Refused: It is not clear which one is meant.
        WrongUsage: The name is empty.
    """
    if given == LATEST:
        return await _latest(cluster, namespace, certain=certain)
    name = given_name(WORKFLOW_RUN, given)
    if is_object_name(name):
        try:
            return await cluster.get(WORKFLOW_RUN, namespace, name)
        except ApiError as error:
            if error.status != 404 or f'"{name}"' not in error.message:
                raise
    refs = await newest_refs(cluster, namespace)
    question = did_you_mean(name, (ref.name for ref in refs[:MAX_COMPARED]))
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


async def _latest(cluster: Cluster, namespace: str, *, certain: bool) -> JsonObject:
    """Return the run created last; one that waits for its time is passed over."""
    refs = await newest_refs(cluster, namespace)
    for _, tied in groupby(refs, key=lambda ref: ref.created):
        runs = await get_runs(cluster, list(tied))
        if due := [run for run in runs if not _waits(run)]:
            return _newest(due, certain=certain)
    begun = ", or all wait for their time" if refs else ""
    raise NoSuchRun(f"there is no WorkflowRun in namespace {namespace}{begun}: start one first")


def _newest(runs: Sequence[JsonObject], *, certain: bool) -> JsonObject:
    """Return the newest of some runs that were created in the same second."""
    ages = [age_key(run) for run in runs]
    newest = [run for run, age in zip(runs, ages, strict=True) if age == max(ages)]
    if certain and len(newest) > 1:
        names = ", ".join(sorted(str(run["metadata"]["name"]) for run in newest))
        raise Refused(f"{LATEST}: these were created in the same second, so name one: {names}")
    return newest[0]


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
