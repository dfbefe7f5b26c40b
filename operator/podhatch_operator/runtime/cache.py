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
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Kind,
)

from podhatch_operator.core.observed import Observed
from podhatch_operator.runtime.awaited import awaited_keys
from podhatch_operator.runtime.keys import Key, event_key, run_key, workflow_key
from podhatch_operator.runtime.lean import (
    JOB_NAME,
    ended_job,
    is_active_job,
    is_finished,
    is_over,
    label,
    without_managed_fields,
)
from podhatch_operator.runtime.pins import Pins
from podhatch_operator.runtime.store import Place, Store, place_of, version_of
from podhatch_operator.runtime.tombstones import Tombstones

CHILDREN = (JOB, POD, TASK_RESULT)


class Cache:
    """All objects of the watched kinds, as raw JSON without managedFields."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._stores = {
            WORKFLOW.kind: Store(_no_group),
            WORKFLOW_RUN.kind: Store(_workflow_of_run_under_way),
            WORKFLOW_EVENT.kind: Store(_event_key),
            CONTROLLER_REVISION.kind: Store(_workflow_label),
            **{kind.kind: Store(_run_label) for kind in CHILDREN},
        }
        self._tombstones = Tombstones(clock)
        self._awoken: set[Place] = set()
        self.pins = Pins()

    def apply(self, kind: Kind, raw: JsonObject) -> bool:
        """Hold the object if it is newer than what is known. Return whether it was."""
        place = place_of(raw)
        if version_of(raw) <= self.version(kind, place):
            return False
        if kind is WORKFLOW_RUN:
            self._note_run(place, raw)
        if kind in CHILDREN and self._of_run_that_is_over(raw):
            self._hold_child_of_run_that_is_over(kind, raw)
        else:
            self._stores[kind.kind].put(without_managed_fields(raw))
        return True

    def lacks_children(self, place: Place) -> bool:
        """Return whether this run is to start over, and its children are not held whole."""
        return place in self._awoken

    def restore(self, place: Place, kind: Kind, children: Iterable[JsonObject]) -> None:
        """Hold children of a run that starts over whole again, as a list just returned them."""
        for raw in children:
            if self.lacks_children(place) and version_of(raw) >= self.version(kind, place_of(raw)):
                self._stores[kind.kind].put(without_managed_fields(raw))

    def restored(self, place: Place) -> None:
        """All children of the run are held whole again."""
        self._awoken.discard(place)

    def remove(self, kind: Kind, place: Place, version: int) -> bool:
        """Forget the object that ended at `version`. Return whether it was known."""
        self._tombstones.bury((kind.kind, place), version)
        store = self._stores[kind.kind]
        if not 0 < store.version(place) <= version:
            return False
        store.drop(place)
        if kind is WORKFLOW_RUN:
            self.pins.drop(place)
            self._awoken.discard(place)
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
            revisions=dict(self.revisions(namespace, workflow)),
            jobs=self._jobs(namespace, run),
            events=[
                event
                for key in self._awaited_by(namespace, run)
                for event in self._group(WORKFLOW_EVENT, namespace, key).values()
            ],
            pods=_by_job(self._group(POD, namespace, name).values()),
            results=dict(self._group(TASK_RESULT, namespace, name)),
        )

    def revisions(self, namespace: str, workflow: str) -> Mapping[str, JsonObject]:
        """Return the ControllerRevisions of a workflow by name."""
        return self._group(CONTROLLER_REVISION, namespace, workflow)

    def sources(self, namespace: str, *, without: str) -> set[str]:
        """Return the shipped sources that all workflows but one refer to, in any revision.

        Equal sources are one ConfigMap, whose name is made of its content.
        """
        workflows, revisions = self._stores[WORKFLOW.kind], self._stores[CONTROLLER_REVISION.kind]
        specs = [
            (workflows.get(place) or {}).get("spec", {})
            for place in workflows
            if place[0] == namespace and place[1] != without
        ]
        for place in revisions:
            revision = revisions.get(place)
            if place[0] == namespace and revision and _workflow_label(revision) != without:
                specs.append(_pinned_spec(revision))
        return {spec["source"]["configMap"] for spec in specs if "source" in spec}

    def keys_for(self, kind: Kind, raw: JsonObject) -> list[Key]:
        """Return what has to be reconciled because this object changed."""
        namespace, name = place_of(raw)
        if kind is WORKFLOW_RUN:
            return [run_key(namespace, name)]
        if kind is WORKFLOW:
            return [workflow_key(namespace, name), *self._runs_under_way(namespace, name)]
        if kind is CONTROLLER_REVISION:
            return self._runs_under_way(namespace, _workflow_label(raw) or "")
        if kind is WORKFLOW_EVENT:
            return [event_key(namespace, name), *self._runs_awaiting(namespace, raw)]
        run = _run_label(raw)
        return [run_key(namespace, run)] if run else []

    def keys_without(self, kind: Kind, raw: JsonObject) -> list[Key]:
        """Return what has to be reconciled because this object is gone."""
        namespace, name = place_of(raw)
        if kind is WORKFLOW_RUN:  # the last run of a revision may have been this one
            return [run_key(namespace, name), workflow_key(namespace, raw["spec"]["workflow"])]
        if kind is WORKFLOW_EVENT:
            return [event_key(namespace, name)]
        return self.keys_for(kind, raw)

    def all_keys(self) -> list[Key]:
        """Return everything there is to reconcile, finished runs last."""
        runs = self._stores[WORKFLOW_RUN.kind]
        revisions = self._stores[CONTROLLER_REVISION.kind]
        in_order = sorted(runs, key=lambda place: is_finished(runs.get(place) or {}))
        workflows = {*self.places(WORKFLOW)}
        for place in revisions:  # of workflows that are gone, too
            if (revision := revisions.get(place)) and (workflow := _workflow_label(revision)):
                workflows.add((place[0], workflow))
        return [
            *(workflow_key(*place) for place in sorted(workflows)),
            *(run_key(*place) for place in in_order),
            *(event_key(*place) for place in self.places(WORKFLOW_EVENT)),
        ]

    def _group(self, kind: Kind, namespace: str, name: str) -> Mapping[str, JsonObject]:
        return self._stores[kind.kind].group(namespace, name)

    def _jobs(self, namespace: str, run: JsonObject) -> dict[str, JsonObject]:
        """Return the run's Jobs; of those of a run that is over, hardly more than the names."""
        metadata = run["metadata"]
        names = self._stores[JOB.kind].names_of(namespace, metadata["uid"])
        whole = _owned_by(run, self._group(JOB, namespace, metadata["name"]))
        return {**{name: ended_job(name) for name in names}, **whole}

    def _awaited_by(self, namespace: str, run: JsonObject) -> frozenset[str]:
        """Return the keys of the events that a run may wait for."""
        if is_over(run):
            return frozenset()
        workflow: str = run["spec"]["workflow"]
        revisions = self.revisions(namespace, workflow)
        pinned = revisions.get(run.get("status", {}).get("revision") or "")
        if pinned is not None:
            return awaited_keys([_pinned_spec(pinned)])
        now = self.get(WORKFLOW, (namespace, workflow))
        specs = [_pinned_spec(revision) for revision in revisions.values()]
        return awaited_keys([*specs, *([now["spec"]] if now else [])])

    def _runs_awaiting(self, namespace: str, event: JsonObject) -> list[Key]:
        key = _event_key(event)
        return [
            run_key(namespace, name)
            for runs in self._stores[WORKFLOW_RUN.kind].groups(namespace)
            for name, run in runs.items()
            if key in self._awaited_by(namespace, run)
        ]

    def _runs_under_way(self, namespace: str, workflow: str) -> list[Key]:
        return [run_key(namespace, run) for run in self._group(WORKFLOW_RUN, namespace, workflow)]

    def _note_run(self, place: Place, raw: JsonObject) -> None:
        old = self.get(WORKFLOW_RUN, place)
        self.pins.put(place, raw)
        if is_over(raw):
            self._awoken.discard(place)
            for each in CHILDREN:
                for child in list(self._group(each, *place).values()):
                    self._hold_child_of_run_that_is_over(each, child)
        elif old is not None and is_over(old):
            self._awoken.add(place)

    def _of_run_that_is_over(self, child: JsonObject) -> bool:
        run = self.get(WORKFLOW_RUN, (child["metadata"]["namespace"], _run_label(child) or ""))
        return run is not None and is_over(run)

    def _hold_child_of_run_that_is_over(self, kind: Kind, raw: JsonObject) -> None:
        """Finished runs are many and must not fill the memory: of most children a number stays."""
        store = self._stores[kind.kind]
        if is_active_job(kind, raw):
            store.put(without_managed_fields(raw))
        else:
            owner = _owner_uid(raw) if kind is JOB else None
            store.put_version(place_of(raw), version_of(raw), owner)


def _no_group(_: JsonObject) -> None:
    return None


def _run_label(raw: JsonObject) -> str | None:
    return label(raw, labels.RUN)


def _workflow_label(raw: JsonObject) -> str | None:
    return label(raw, labels.WORKFLOW)


def _pinned_spec(revision: JsonObject) -> JsonObject:
    spec: JsonObject = revision["data"].get("spec", {})
    return spec


def _event_key(event: JsonObject) -> str:
    key: str = event["spec"]["key"]
    return key


def _workflow_of_run_under_way(run: JsonObject) -> str | None:
    workflow: str = run["spec"]["workflow"]
    return None if is_over(run) else workflow


def _owner_uid(child: JsonObject) -> str | None:
    return next((item["uid"] for item in child["metadata"].get("ownerReferences", ())), None)


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
