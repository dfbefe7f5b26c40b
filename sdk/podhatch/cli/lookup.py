"""Finds objects by the names that users give, and the shape of a run's workflow.

A name stands alone or with its kind before it, as `-o name` and kubectl write it.
"""

import re
from collections.abc import Sequence
from itertools import groupby

from podhatch.api.durable_log import DurableLog
from podhatch.api.labels import GROUP
from podhatch.api.model import JsonObject
from podhatch.api.names import object_name
from podhatch.api.run import WorkflowRun, has_ended
from podhatch.api.workflow import WorkflowSpec
from podhatch.cli.errors import CommandError, UsageError, did_you_mean
from podhatch.cli.rendering.durable_log import MAX_CALLS
from podhatch.cli.rendering.graph import Parents
from podhatch.cli.selection import age_key, get_runs, newest_refs
from podhatch.client.objects import is_name
from podhatch.client.runs.durable_log import last_pages
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import (
    CONTROLLER_REVISION,
    CRON_WORKFLOW,
    WORKFLOW,
    WORKFLOW_RUN,
    ApiError,
    ClusterApi,
    Kind,
)

SHORT_NAMES = {WORKFLOW: "wf", WORKFLOW_RUN: "wfr", CRON_WORKFLOW: "cwf"}
"""The short names that kubectl accepts, for the kinds that commands take."""

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def given_name(kind: Kind, given: str) -> str:
    """Return the name without the kind before it."""
    before, slash, after = given.partition("/")
    if slash and before.lower().removesuffix(f".{GROUP}") in _words(kind):
        given = after
    if not given:
        raise UsageError(f"expected the name of a {kind.kind}, got an empty string")
    return given


def check_namespace(name: str | None) -> None:
    """Raise UsageError unless a namespace can have this name."""
    if name is not None and not _NAMESPACE.fullmatch(name):
        raise UsageError(
            f"--namespace: expected lower-case letters, digits and hyphens, got {name!r}"
        )


def _words(kind: Kind) -> set[str]:
    """Return the words that may stand before a name: the kind's singular, plural and short name."""
    return {kind.kind.lower(), kind.plural, SHORT_NAMES.get(kind, kind.plural)}


LATEST = "@latest"
MAX_COMPARED = 1000
"""How many names of runs, the newest, are compared with a name that does not exist."""


async def find_run(
    cluster: ClusterApi, namespace: str, given: str, *, certain: bool = False
) -> JsonObject:
    """Return the run of this name, or the newest one for @latest.

    Args:
        cluster: Where to look.
        namespace: The run's namespace.
        given: The name, or @latest.
        certain: Fail when several runs may be the newest.
    """
    if given == LATEST:
        return await _latest(cluster, namespace, certain=certain)
    name = given_name(WORKFLOW_RUN, given)
    if is_name(name):
        try:
            return await cluster.get(WORKFLOW_RUN, namespace, name)
        except ApiError as error:
            if not error.is_missing(name):
                raise
    refs = await newest_refs(cluster, namespace)
    question = did_you_mean(name, (ref.name for ref in refs[:MAX_COMPARED]))
    raise CommandError(f"there is no WorkflowRun {name} in namespace {namespace}{question}")


async def find_object(cluster: ClusterApi, kind: Kind, namespace: str, given: str) -> JsonObject:
    """Return the object of this name, or the only one whose `spec.name` this is."""
    name = given_name(kind, given)
    stored_as = object_name(name) if kind == WORKFLOW else name
    if is_name(stored_as):
        try:
            return await cluster.get(kind, namespace, stored_as)
        except ApiError as error:
            if error.status != 404 or '"' not in error.message:
                raise
    items, _ = await cluster.list(kind, namespace)
    named = [item for item in items if item["spec"].get("name") == name]
    if len(named) > 1:
        names = ", ".join(str(item["metadata"]["name"]) for item in named)
        raise CommandError(
            f"several {kind.plural} in namespace {namespace} have the name {name}: {names}"
        )
    if named:
        return named[0]
    names = [str(item["metadata"]["name"]) for item in items]
    names += [str(item["spec"]["name"]) for item in items if "name" in item["spec"]]
    question = did_you_mean(name, names)
    raise CommandError(f"there is no {kind.kind} {name} in namespace {namespace}{question}")


async def find_name(target: Target, kind: Kind, given: str) -> tuple[Session, str]:
    """Return the session of a target, and the name of the object that `find_object` finds."""
    session = await session_of(target)
    found = await find_object(session.cluster, kind, session.namespace, given)
    return session, str(found["metadata"]["name"])


async def find_children(cluster: ClusterApi, run: WorkflowRun) -> list[WorkflowRun]:
    """Return the run's child runs, by task and in the order of their creation."""
    selector = f"spec.parent.run={run.metadata.name}"
    found, _ = await cluster.list(WORKFLOW_RUN, run.metadata.namespace, field_selector=selector)
    return sorted(map(WorkflowRun.model_validate, found), key=_child_key)


async def find_durable_logs(cluster: ClusterApi, run: WorkflowRun) -> dict[str, list[DurableLog]]:
    """Return the last pages of the log of each durable task; none without permission to read it."""
    try:
        return await last_pages(cluster, run, MAX_CALLS)
    except ApiError as error:
        if error.status in (403, 404):
            return {}
        raise


async def find_parents(cluster: ClusterApi, run: WorkflowRun) -> Parents:
    """Return the parents of each task, from the revision of the workflow that the run uses.

    Without that revision, or permission to read it, use the current workflow; without either,
    return nothing.
    """
    revision = run.status.revision if run.status else None
    for kind, name in ((CONTROLLER_REVISION, revision), (WORKFLOW, run.spec.workflow)):
        if not name:
            continue
        try:
            stored = await cluster.get(kind, run.metadata.namespace, name)
        except ApiError as error:
            if error.status in (403, 404):
                continue
            raise
        return parents_of(WorkflowSpec.model_validate(stored.get("data", stored)["spec"]))
    return {}


def parents_of(workflow: WorkflowSpec) -> Parents:
    """Return the parents; the parents of a failure or success task are the tasks that end last."""
    parents = {task.name: task.parents for task in workflow.tasks}
    inner = {parent for above in parents.values() for parent in above}
    last = [name for name in parents if name not in inner]
    hooks = (workflow.on_failure_task, workflow.on_success_task)
    return parents | {hook.name: last for hook in hooks if hook is not None}


async def _latest(cluster: ClusterApi, namespace: str, *, certain: bool) -> JsonObject:
    """Return the run created last, without schedules that have not started."""
    refs = await newest_refs(cluster, namespace)
    for _, tied in groupby(refs, key=lambda ref: ref.created):
        runs = await get_runs(cluster, list(tied))
        if due := [run for run in runs if not _waits(run)]:
            return _newest(due, certain=certain)
    which = " that has started" if refs else ""
    raise CommandError(f"there is no WorkflowRun{which} in namespace {namespace}: start one first")


def _newest(runs: Sequence[JsonObject], *, certain: bool) -> JsonObject:
    """Return the newest of some runs that were created in the same second."""
    ages = [age_key(run) for run in runs]
    newest = [run for run, age in zip(runs, ages, strict=True) if age == max(ages)]
    if certain and len(newest) > 1:
        names = ", ".join(sorted(str(run["metadata"]["name"]) for run in newest))
        raise CommandError(f"{LATEST}: several runs are equally new, name one: {names}")
    return newest[0]


def _waits(run: JsonObject) -> bool:
    """Return whether the run is a schedule that has neither started nor ended."""
    status = run.get("status", {})
    scheduled = "startAt" in run["spec"] and not status.get("startedAt")
    return scheduled and not has_ended(run)


def _child_key(child: WorkflowRun) -> tuple[str, int, str]:
    parent = child.spec.parent
    assert parent is not None, "selected by its parent"
    return parent.task, -1 if parent.index is None else parent.index, parent.key or ""
