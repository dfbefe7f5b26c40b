"""Finds objects by the names that users give, the newest runs, and the shape of a run's workflow.

A name stands alone or with its kind before it, as `-o name` and kubectl write it. The API server
returns name and age of all runs as a table; only the newest are read in full. Kubernetes dates
objects to the second; runs of the same second are ordered by the operator's more exact times in
their status.
"""

import re
from collections.abc import Awaitable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import groupby
from typing import TypeVar, get_args

from podhatch.api.durable_log import DurableLog
from podhatch.api.labels import GROUP
from podhatch.api.model import JsonObject
from podhatch.api.names import object_name
from podhatch.api.run import Phase, WorkflowRun
from podhatch.api.workflow import WorkflowSpec
from podhatch.cli.errors import CommandError, UsageError
from podhatch.cli.rendering.durable_log import MAX_CALLS
from podhatch.cli.rendering.graph import Parents
from podhatch.client.objects import gathered, is_name
from podhatch.client.runs.durable_log import last_pages
from podhatch.client.runs.selection import STATES, phase_selector
from podhatch.client.schedules import has_started
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
from podhatch.values.parsing import did_you_mean

SHORT_NAMES = {WORKFLOW: "wf", WORKFLOW_RUN: "wfr", CRON_WORKFLOW: "cwf"}
"""The short names that kubectl accepts, for the kinds that commands take."""
LATEST = "@latest"
MAX_COMPARED = 1000
"""How many names of runs, the newest, are compared with a name that does not exist."""
MAX_TIED = 200
"""How many runs of the same second are read to find which of them started last."""
PHASES: tuple[Phase, ...] = get_args(Phase)
T = TypeVar("T")

_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NOT_YET = datetime.max.replace(tzinfo=UTC)


def given_name(kind: Kind, given: str) -> str:
    """Return the name without the kind before it."""
    before, slash, after = given.partition("/")
    words = (kind.kind.lower(), kind.plural, SHORT_NAMES.get(kind))
    name = after if slash and before.lower().removesuffix(f".{GROUP}") in words else given
    if not name:
        raise UsageError(f"expected the name of a {kind.kind}, got an empty string")
    return name


def check_namespace(name: str | None) -> None:
    """Raise UsageError unless a namespace can have this name."""
    if name is not None and not _NAMESPACE.fullmatch(name):
        raise UsageError(
            f"--namespace: expected lower-case letters, digits and hyphens, got {name!r}"
        )


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
    if (found := await _read(cluster, WORKFLOW_RUN, namespace, name)) is not None:
        return found
    rows = await _newest_rows(cluster, namespace)
    question = did_you_mean(name, (row["Name"] for row in rows[:MAX_COMPARED]))
    raise CommandError(f"there is no WorkflowRun {name} in namespace {namespace}{question}")


async def find_object(cluster: ClusterApi, kind: Kind, namespace: str, given: str) -> JsonObject:
    """Return the object of this name, or the only one whose `spec.name` this is."""
    name = given_name(kind, given)
    stored_as = object_name(name) if kind == WORKFLOW else name
    if (found := await _read(cluster, kind, namespace, stored_as)) is not None:
        return found
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


async def _read(cluster: ClusterApi, kind: Kind, namespace: str, name: str) -> JsonObject | None:
    """Return the object; None if there is none, or no object can have this name."""
    if not is_name(name):
        return None
    try:
        return await cluster.get(kind, namespace, name)
    except ApiError as error:
        if not error.is_missing(name):
            raise
        return None


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
    return await _if_readable(last_pages(cluster, run, MAX_CALLS)) or {}


async def find_parents(cluster: ClusterApi, run: WorkflowRun) -> Parents:
    """Return the parents of each task, from the revision of the workflow that the run uses.

    Without that revision, or permission to read it, use the current workflow; without either,
    return nothing.
    """
    revision = run.status.revision if run.status else None
    for kind, name in ((CONTROLLER_REVISION, revision), (WORKFLOW, run.spec.workflow)):
        if name and (stored := await _if_readable(cluster.get(kind, run.metadata.namespace, name))):
            return parents_of(WorkflowSpec.model_validate(stored.get("data", stored)["spec"]))
    return {}


async def _if_readable(request: Awaitable[T]) -> T | None:
    """Return what is asked for; None if it does not exist, or without permission to read it."""
    try:
        return await request
    except ApiError as error:
        if error.status not in (403, 404):
            raise
        return None


def parents_of(workflow: WorkflowSpec) -> Parents:
    """Return the parents; the parents of a failure or success task are the tasks that end last."""
    parents = {task.name: task.parents for task in workflow.tasks}
    inner = {parent for above in parents.values() for parent in above}
    last = [name for name in parents if name not in inner]
    hooks = (workflow.on_failure_task, workflow.on_success_task)
    return parents | {hook.name: last for hook in hooks if hook is not None}


async def _latest(cluster: ClusterApi, namespace: str, *, certain: bool) -> JsonObject:
    """Return the run created last, without schedules that have not started."""
    rows = await _newest_rows(cluster, namespace)
    for _, tied in groupby(rows, key=lambda row: row["Created"]):
        runs = await _runs_of(cluster, list(tied))
        if due := [run for run in runs if not waits_for_start(WorkflowRun.model_validate(run))]:
            return _newest(due, certain=certain)
    which = " that has started" if rows else ""
    raise CommandError(f"there is no WorkflowRun{which} in namespace {namespace}: start one first")


def _newest(runs: Sequence[JsonObject], *, certain: bool) -> JsonObject:
    """Return the newest of some runs that were created in the same second."""
    newest_age = max(map(_age, runs))
    newest = [run for run in runs if _age(run) == newest_age]
    if certain and len(newest) > 1:
        names = ", ".join(sorted(str(run["metadata"]["name"]) for run in newest))
        raise CommandError(f"{LATEST}: several runs are equally new, name one: {names}")
    return newest[0]


def waits_for_start(run: WorkflowRun) -> bool:
    """Return whether the run is a schedule that has neither started nor ended."""
    return run.spec.start_at is not None and not has_started(run) and not run.finished


def _child_key(child: WorkflowRun) -> tuple[str, int, str]:
    parent = child.spec.parent
    assert parent is not None, "selected by its parent"
    return parent.task, -1 if parent.index is None else parent.index, parent.key or ""


async def _newest_rows(
    cluster: ClusterApi, namespace: str | None, field_selector: str = ""
) -> list[JsonObject]:
    """Return namespace, name and time of creation of the runs, newest first."""
    rows = await cluster.rows(WORKFLOW_RUN, namespace, field_selector=field_selector)
    return sorted(rows, key=lambda row: str(row["Created"]), reverse=True)


async def _runs_of(cluster: ClusterApi, rows: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the whole runs, without those deleted in the meantime."""
    found = await gathered(
        _read(cluster, WORKFLOW_RUN, row["Namespace"], row["Name"]) for row in rows
    )
    return [run for run in found if run is not None]


def _age(run: JsonObject) -> tuple[str, datetime]:
    """Return a sort key, greater for the newer run: the time of creation, then of start.

    A run that has not started is newer than one that has; one that ended without a start counts
    from its end.
    """
    status: JsonObject = run.get("status") or {}
    started = status.get("startedAt") or status.get("finishedAt")
    created = str(run["metadata"]["creationTimestamp"])
    return created, datetime.fromisoformat(started) if started else _NOT_YET


@dataclass(frozen=True)
class Selection:
    """The criteria of `podhatch list`."""

    workflow: str | None = None
    """Name of a Workflow object."""
    phases: Sequence[Phase] = ()
    """Any phase when empty."""
    since: datetime | None = None
    """Created at this time or later."""
    metadata: dict[str, str] = field(default_factory=dict[str, str])
    """Entries that the run's additional metadata must hold."""

    @property
    def field_selector(self) -> str:
        """The criteria that the API server evaluates."""
        workflow = f"spec.workflow={self.workflow}" if self.workflow else ""
        phases = phase_selector(STATES[phase] for phase in self.phases) if self.phases else ""
        return ",".join(filter(None, (workflow, phases)))

    def is_young(self, created: str) -> bool:
        """Return whether the run was created late enough."""
        return self.since is None or datetime.fromisoformat(created) >= self.since

    def holds(self, run: JsonObject) -> bool:
        """Return whether a run that the API server selected meets the other criteria too."""
        metadata: dict[str, str] = run["spec"].get("additionalMetadata") or {}
        return self.is_young(run["metadata"]["creationTimestamp"]) and (
            self.metadata.items() <= metadata.items()
        )


@dataclass(frozen=True)
class Found:
    """The newest objects, newest first, and the number of older ones."""

    items: list[JsonObject]
    older: int


async def find_runs(
    cluster: ClusterApi, namespace: str | None, selection: Selection, limit: int | None
) -> Found:
    """Return the newest runs of a selection, at most `limit`."""
    if limit is None or selection.metadata:
        runs = await _read_all(cluster, namespace, selection)
        total = len(runs)
    else:
        rows = await _newest_rows(cluster, namespace, selection.field_selector)
        rows = [row for row in rows if selection.is_young(row["Created"])]
        tied = [row for row in rows[limit:] if row["Created"] == rows[limit - 1]["Created"]]
        runs = await _runs_of(cluster, [*rows[:limit], *tied[:MAX_TIED]])
        total = len(rows)
    newest = sorted(runs, key=_age, reverse=True)[:limit]
    return Found(newest, total - len(newest))


async def _read_all(
    cluster: ClusterApi, namespace: str | None, selection: Selection
) -> list[JsonObject]:
    runs: list[JsonObject] = []
    pages = cluster.pages(WORKFLOW_RUN, namespace, field_selector=selection.field_selector)
    async with aclosing(pages) as found:
        async for page, _ in found:
            runs += [run for run in page if selection.holds(run)]
    return runs
