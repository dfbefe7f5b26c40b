"""What the operator knows of the cluster: the objects as last seen, never older than already seen.

Fed by watch events, by the answers to our own writes, and by the resync. Read by the reconciler.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONTROLLER_REVISION,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_RUN,
    Kind,
)

from podhatch_operator.core.observed import Observed
from podhatch_operator.runtime.keys import Key, run_key, workflow_key
from podhatch_operator.runtime.lean import (
    JOB_NAME,
    is_active_job,
    is_finished,
    label,
    without_managed_fields,
)
from podhatch_operator.runtime.store import Place, Store, place_of, version_of
from podhatch_operator.runtime.tombstones import Tombstones

CHILDREN = (JOB, POD, TASK_RESULT)


class Cache:
    """All objects of the watched kinds, as raw JSON without managedFields."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._stores = {
            WORKFLOW.kind: Store(_no_group),
            WORKFLOW_RUN.kind: Store(_workflow_of_unfinished_run),
            CONTROLLER_REVISION.kind: Store(_workflow_label),
            **{kind.kind: Store(_run_label) for kind in CHILDREN},
        }
        self._tombstones = Tombstones(clock)

    def apply(self, kind: Kind, raw: JsonObject) -> bool:
        """Hold the object if it is newer than what is known. Return whether it was."""
        place = place_of(raw)
        if version_of(raw) <= self.version(kind, place):
            return False
        if kind in CHILDREN and self._of_finished_run(raw):
            self._hold_child_of_finished_run(kind, raw)
        else:
            self._stores[kind.kind].put(without_managed_fields(raw))
        if kind is WORKFLOW_RUN and is_finished(raw):
            for each in CHILDREN:
                for child in list(self._group(each, *place).values()):
                    self._hold_child_of_finished_run(each, child)
        return True

    def remove(self, kind: Kind, place: Place, version: int) -> bool:
        """Forget the object that ended at `version`. Return whether it was known."""
        self._tombstones.bury((kind.kind, place), version)
        store = self._stores[kind.kind]
        if not 0 < store.version(place) <= version:
            return False
        store.drop(place)
        return True

    def get(self, kind: Kind, place: Place) -> JsonObject | None:
        """Return the object, or None."""
        return self._stores[kind.kind].get(place)

    def version(self, kind: Kind, place: Place) -> int:
        """Return the newest version known of an object, also of its end; 0 when none is."""
        held = self._stores[kind.kind].version(place)
        return max(held, self._tombstones.version((kind.kind, place)))

    def places(self, kind: Kind) -> Iterator[Place]:
        """Yield where all objects of a kind are."""
        return iter(self._stores[kind.kind])

    def count(self, kind: Kind) -> int:
        """Return how many objects of a kind are held."""
        return len(self._stores[kind.kind])

    def observe(self, namespace: str, name: str) -> Observed | None:
        """Return a run and all that is known about it, or None if there is no such run."""
        run = self.get(WORKFLOW_RUN, (namespace, name))
        if run is None:
            return None
        workflow: str = run["spec"]["workflow"]
        return Observed(
            run=run,
            workflow=self.get(WORKFLOW, (namespace, workflow)),
            revisions=dict(self._group(CONTROLLER_REVISION, namespace, workflow)),
            jobs=_owned_by(run, self._group(JOB, namespace, name)),
            pods=_by_job(self._group(POD, namespace, name).values()),
            results=dict(self._group(TASK_RESULT, namespace, name)),
        )

    def keys_for(self, kind: Kind, raw: JsonObject) -> list[Key]:
        """Return what has to be reconciled because this object changed."""
        namespace, name = place_of(raw)
        if kind is WORKFLOW_RUN:
            return [run_key(namespace, name)]
        if kind is WORKFLOW:
            return [workflow_key(namespace, name), *self._unfinished_runs(namespace, name)]
        if kind is CONTROLLER_REVISION:
            return self._unfinished_runs(namespace, _workflow_label(raw) or "")
        run = _run_label(raw)
        return [run_key(namespace, run)] if run else []

    def all_keys(self) -> list[Key]:
        """Return everything there is to reconcile, finished runs last."""
        runs = self._stores[WORKFLOW_RUN.kind]
        in_order = sorted(runs, key=lambda place: is_finished(runs.get(place) or {}))
        workflows = [workflow_key(*place) for place in self.places(WORKFLOW)]
        return workflows + [run_key(*place) for place in in_order]

    def _group(self, kind: Kind, namespace: str, name: str) -> Mapping[str, JsonObject]:
        return self._stores[kind.kind].group(namespace, name)

    def _unfinished_runs(self, namespace: str, workflow: str) -> list[Key]:
        return [run_key(namespace, run) for run in self._group(WORKFLOW_RUN, namespace, workflow)]

    def _of_finished_run(self, child: JsonObject) -> bool:
        run = self.get(WORKFLOW_RUN, (child["metadata"]["namespace"], _run_label(child) or ""))
        return run is not None and is_finished(run)

    def _hold_child_of_finished_run(self, kind: Kind, raw: JsonObject) -> None:
        """Finished runs are many and must not fill the memory: of most children a number stays."""
        store = self._stores[kind.kind]
        if is_active_job(kind, raw):
            store.put(without_managed_fields(raw))
        else:
            store.put_version(place_of(raw), version_of(raw))


def _no_group(_: JsonObject) -> None:
    return None


def _run_label(raw: JsonObject) -> str | None:
    return label(raw, labels.RUN)


def _workflow_label(raw: JsonObject) -> str | None:
    return label(raw, labels.WORKFLOW)


def _workflow_of_unfinished_run(run: JsonObject) -> str | None:
    workflow: str = run["spec"]["workflow"]
    return None if is_finished(run) else workflow


def _owned_by(run: JsonObject, children: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    """Leave out children of an earlier run of the same name."""
    return {name: child for name, child in children.items() if is_owned_by(child, run)}


def is_owned_by(child: JsonObject, owner: JsonObject) -> bool:
    """Return whether an owner reference of the child names this very object."""
    uid = owner["metadata"]["uid"]
    return any(item["uid"] == uid for item in child["metadata"].get("ownerReferences", ()))


def _by_job(pods: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
    grouped: dict[str, list[JsonObject]] = {}
    for pod in pods:
        grouped.setdefault(label(pod, JOB_NAME) or "", []).append(pod)
    return grouped
