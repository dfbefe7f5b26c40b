"""Pinned workflows: a run keeps the workflow it started with, also after a change or deletion.

Each content of a Workflow's spec is kept as a ControllerRevision. Whether the workflow is paused is
no part of it: a pause changes nothing for runs that have started.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import cast

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import short_hash, slug
from podhatch.api.task import TaskSpec
from podhatch.api.workflow import PAUSE_FIELDS, WorkflowSpec
from podhatch.core.common.observed import Observed
from podhatch.core.workflow.dag import topological_order
from podhatch.core.workflow.hooks import as_task, graph_of

HASH_LENGTH = 12
_CONDITIONS = ("waitFor", "skipIf", "cancelIf")


@dataclass(frozen=True)
class Revision:
    """A pinned content of a workflow."""

    name: str
    workflow: str
    """Name of the Workflow object."""
    spec: WorkflowSpec

    @property
    def true_name(self) -> str:
        """The workflow's name as its author wrote it."""
        return self.spec.name or self.workflow

    @cached_property
    def graph(self) -> list[TaskSpec]:
        """The tasks in the workflow's order, with the success task."""
        return graph_of(self.spec)

    @cached_property
    def failure_task(self) -> TaskSpec | None:
        """The task that runs once another has failed: it stands apart from the graph."""
        hook = self.spec.on_failure_task
        return as_task(hook) if hook else None

    @cached_property
    def order(self) -> list[TaskSpec]:
        """The tasks of the graph, parents before children."""
        return topological_order(self.graph)

    @cached_property
    def places(self) -> dict[str, int]:
        """The place of each task in this order."""
        return {task.name: place for place, task in enumerate(self.order)}

    @cached_property
    def children(self) -> dict[str, list[int]]:
        """The places of each task's children."""
        children: dict[str, list[int]] = {task.name: [] for task in self.order}
        for place, task in enumerate(self.order):
            for parent in task.parents:
                children[parent].append(place)
        return children

    @cached_property
    def by_name(self) -> dict[str, TaskSpec]:
        """All tasks, the failure task too."""
        return {task.name: task for task in (*self.order, *self._apart)}

    @cached_property
    def names(self) -> list[str]:
        """The names of all tasks as a status lists them: in the workflow's order."""
        return [task.name for task in (*self.graph, *self._apart)]

    @cached_property
    def limited(self) -> frozenset[str]:
        """The names of the tasks that have limits of their own."""
        return frozenset(task.name for task in self.by_name.values() if task.concurrency)

    @cached_property
    def has_durable_tasks(self) -> bool:
        """Whether some task may wait without a pod."""
        return any(task.durable for task in self.by_name.values())

    @cached_property
    def rate_limited(self) -> frozenset[str]:
        """The names of the tasks that have rate limits."""
        return frozenset(task.name for task in self.by_name.values() if task.rate_limits)

    @property
    def _apart(self) -> list[TaskSpec]:
        return [self.failure_task] if self.failure_task else []

    @cached_property
    def event_keys(self) -> frozenset[str]:
        """Keys of all events that some task waits for."""
        return event_keys(self.spec.to_wire())


def event_keys(spec: JsonObject) -> frozenset[str]:
    """Return the keys of all events that some task of a workflow waits for.

    Reads the stored spec: the operator asks for each run when an event comes.
    """
    leaves = [
        leaf
        for task in _objects(spec.get("tasks"))
        for field in _CONDITIONS
        for condition in _objects(task.get(field))
        for leaf in (condition, *_objects(condition.get("or")))
    ]
    keys = [event.get("key") for leaf in leaves for event in _objects([leaf.get("event")])]
    return frozenset(key for key in keys if isinstance(key, str))


def pinned_spec(revision: JsonObject) -> JsonObject:
    """Return the spec that a ControllerRevision pins; it is empty if that is no object.

    Anybody may write a revision, and the API server accepts any content.
    """
    data = revision.get("data")
    spec = cast("JsonObject", data).get("spec") if isinstance(data, dict) else None
    return cast("JsonObject", spec) if isinstance(spec, dict) else {}


def shipped_sources(specs: Iterable[JsonObject]) -> set[str]:
    """Return the ConfigMaps with shipped sources that the specs of workflows refer to."""
    names = [source.get("configMap") for source in _objects([spec.get("source") for spec in specs])]
    return {name for name in names if isinstance(name, str)}


def _objects(values: object) -> list[JsonObject]:
    """Return the objects of a list; nothing else is looked at."""
    if not isinstance(values, list):
        return []
    return [
        cast("JsonObject", each) for each in cast("list[object]", values) if isinstance(each, dict)
    ]


def current_revision(workflow: JsonObject) -> Revision:
    """Return the revision that the workflow's present content is."""
    name: str = workflow["metadata"]["name"]
    content = _content(_pinned_part(workflow["spec"]))
    return _parsed(_name(name, content), name, content)


def _pinned_part(spec: JsonObject) -> JsonObject:
    """Return what a revision holds of a Workflow's spec."""
    return {name: value for name, value in spec.items() if name not in PAUSE_FIELDS}


@lru_cache(maxsize=64)
def _name(workflow: str, content: str) -> str:
    return f"{slug(workflow, 50)}-{short_hash(content, HASH_LENGTH)}"


def _content(spec: JsonObject) -> str:
    return json.dumps(spec, sort_keys=True, separators=(",", ":"))


@lru_cache(maxsize=64)
def _parsed(name: str, workflow: str, content: str) -> Revision:
    """Read a revision's content; the many runs of a workflow share it."""
    return Revision(name, workflow, WorkflowSpec.model_validate(json.loads(content)))


def pinned_revision(name: str, observed: Observed) -> Revision | None:
    """Return the named revision from the cluster, if its content is what its name says."""
    stored = observed.revisions.get(name)
    content = _intact_content(stored) if stored else None
    if stored is None or content is None:
        return None
    return _parsed(name, stored["metadata"]["labels"][labels.WORKFLOW], content)


def is_intact(revision: JsonObject) -> bool:
    """Return whether the content of a ControllerRevision has the hash in its name.

    Whoever made it does not matter then. It has no owner, since runs that are under way hold on to
    it when their Workflow is deleted.
    """
    return _intact_content(revision) is not None


def _intact_content(revision: JsonObject) -> str | None:
    metadata: JsonObject = revision["metadata"]
    workflow: str = metadata.get("labels", {}).get(labels.WORKFLOW, "")
    spec = pinned_spec(revision)
    if not spec:
        return None
    content = _content(spec)
    return content if metadata["name"] == _name(workflow, content) else None


def revision_manifest(revision: Revision, workflow: JsonObject) -> JsonObject:
    """Return the ControllerRevision that pins the workflow as it is."""
    metadata: JsonObject = workflow["metadata"]
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {
            "name": revision.name,
            "namespace": metadata["namespace"],
            "labels": {
                labels.MANAGED_BY: labels.MANAGED_BY_VALUE,
                labels.WORKFLOW: metadata["name"],
            },
        },
        "revision": metadata.get("generation", 1),
        "data": {"spec": _pinned_part(workflow["spec"])},
    }
