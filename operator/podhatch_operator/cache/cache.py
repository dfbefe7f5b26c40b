"""What the operator knows of the cluster: the objects as last seen, never older than already seen.

Fed by watch events, by the answers to our own writes, and by the resync. Controllers read it: what
they show to a plan function is all of one moment.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.api.run import is_over
from podhatch.cluster import (
    CONTROLLER_REVISION,
    CRON_WORKFLOW,
    DURABLE_LOG,
    EVENT_FILTER,
    JOB,
    POD,
    RATE_LIMIT,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Kind,
)
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.common.observed import UNDECIDED
from podhatch.core.pod.pods import controller_uid
from podhatch.core.workflow.pause import waits_for_unpause
from podhatch.core.workflow.revision import event_keys, pinned_spec, shipped_sources

from podhatch_operator.cache.store import DeletedVersions, Place, Store, place_of, version_of
from podhatch_operator.cache.trimming import (
    as_held,
    is_active_job,
    label,
    may_linger,
    without_managed_fields,
)
from podhatch_operator.metrics import DurableTaskCollector

Index = Callable[[JsonObject], Iterable[str]]
"""The groups by which an object is found. No object has a name with a slash."""
CHILDREN = (JOB, POD, TASK_RESULT, DURABLE_LOG)
_WITH_STATUS = (WORKFLOW, WORKFLOW_RUN, WORKFLOW_EVENT, EVENT_FILTER, CRON_WORKFLOW, RATE_LIMIT)
"""The status fields that tell users what is wrong with an object."""
_HELD_UNREADABLE = (*_WITH_STATUS, DURABLE_LOG)
"""Kinds that the cache holds even if it cannot read an object: a status reports the problem."""

START_MARGIN = timedelta(minutes=1)
"""A scheduled run may be starting from this long before its time on."""
_ALWAYS = datetime.min.replace(tzinfo=UTC)


class Cache:
    """All objects of the watched kinds, as raw JSON without managedFields."""

    def __init__(
        self, indexes: Mapping[Kind, Index], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._stores = {kind.kind: Store(index) for kind, index in indexes.items()}
        self._deleted = DeletedVersions(clock)
        self._restarted: set[Place] = set()
        self._event_keys: dict[tuple[str, Place], tuple[JsonObject, frozenset[str]]] = {}
        self.pins = Pins()
        self.admission = AdmissionIndex()
        self.rate_limits = RateLimitIndex()
        self.durable_tasks = DurableTaskCollector()
        self.paused_runs: set[Place] = set()
        """Runs that wait because their workflow is paused."""

    def apply(self, kind: Kind, raw: JsonObject) -> bool:
        """Hold the object if it is newer than what is known. Return whether it was."""
        if self.is_known(kind, raw):
            return False
        place = place_of(raw)
        if kind is WORKFLOW_RUN:
            self._note_run(place, raw)
        if UNREADABLE in raw and kind not in _HELD_UNREADABLE:
            self._stores[kind.kind].put_version(place, version_of(raw))
        elif kind in CHILDREN and self._of_run_that_is_over(raw):
            self._hold_child_of_run_that_is_over(kind, raw)
        else:
            self._stores[kind.kind].put(as_held(kind, raw))
        if kind is WORKFLOW_RUN:
            self.admission.observe(raw)
            self.rate_limits.observe_run(raw)
        elif kind is RATE_LIMIT:
            self.rate_limits.observe_limit(raw)
        return True

    def lacks_children(self, place: Place) -> bool:
        """Return whether this run is to start over, and its children are not held whole."""
        return place in self._restarted

    def restore(self, place: Place, kind: Kind, children: Iterable[JsonObject]) -> None:
        """Hold children of a run that starts over whole again, as a list just returned them."""
        for raw in children:
            if self.lacks_children(place) and version_of(raw) >= self.version(kind, place_of(raw)):
                self._stores[kind.kind].put(as_held(kind, raw))

    def restored(self, place: Place) -> None:
        """All children of the run are held whole again."""
        self._restarted.discard(place)

    def remove(self, kind: Kind, place: Place, version: int) -> bool:
        """Remove the object that was deleted at `version`. Return whether it was known."""
        self._deleted.record((kind.kind, place), version)
        store = self._stores[kind.kind]
        if not 0 < store.version(place) <= version:
            return False
        if kind is WORKFLOW_RUN:
            self.durable_tasks.note(store.get(place), None)
        store.drop(place)
        self._event_keys.pop((kind.kind, place), None)
        if kind is WORKFLOW_RUN:
            self.pins.drop(place)
            self.admission.forget(place)
            self.rate_limits.forget_run(*place)
            self.paused_runs.discard(place)
            self._restarted.discard(place)
        elif kind is RATE_LIMIT:
            self.rate_limits.forget_limit(*place)
        return True

    def get(self, kind: Kind, place: Place) -> JsonObject | None:
        """Return the object, or None."""
        return self._stores[kind.kind].get(place)

    def knows(self, kind: Kind, place: Place) -> bool:
        """Return whether the object exists; the cache may hold only its version."""
        return self._stores[kind.kind].version(place) > 0

    def version(self, kind: Kind, place: Place) -> int:
        """Return the newest version known of an object, also of its end; 0 when none is."""
        held = self._stores[kind.kind].version(place)
        return max(held, self._deleted.version((kind.kind, place)))

    def is_known(self, kind: Kind, raw: JsonObject) -> bool:
        """Return whether this version of an object is known, or a newer one."""
        return version_of(raw) <= self.version(kind, place_of(raw))

    def places(self, kind: Kind) -> Iterator[Place]:
        """Yield where all objects of a kind are."""
        return iter(self._stores[kind.kind])

    def count(self, kind: Kind) -> int:
        """Return how many objects of a kind are held."""
        return len(self._stores[kind.kind])

    def group(self, kind: Kind, namespace: str, name: str) -> Mapping[str, JsonObject]:
        """Return the objects of a group by their names. A view: it changes with the cache."""
        return self._stores[kind.kind].group(namespace, name)

    def groups(self, kind: Kind, namespace: str) -> list[Mapping[str, JsonObject]]:
        """Return all groups of a namespace."""
        return self._stores[kind.kind].groups(namespace)

    def names_of(self, kind: Kind, namespace: str, owner: str) -> Iterable[str]:
        """Return the names of an owner's objects that are held by name only."""
        return self._stores[kind.kind].names_of(namespace, owner)

    def revisions(self, namespace: str, workflow: str) -> Mapping[str, JsonObject]:
        """Return the ControllerRevisions of a workflow by name."""
        return self.group(CONTROLLER_REVISION, namespace, workflow)

    def event_keys(self, kind: Kind, place: Place) -> frozenset[str]:
        """Return the keys of all events that some task of a workflow, or a revision, waits for."""
        raw = self.get(kind, place)
        if raw is None:
            return frozenset()
        known = self._event_keys.get((kind.kind, place))
        if known is None or known[0] is not raw:
            spec = raw["spec"] if kind is WORKFLOW else pinned_spec(raw)
            known = self._event_keys[kind.kind, place] = raw, event_keys(spec)
        return known[1]

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
            if place[0] == namespace and revision and label(revision, labels.WORKFLOW) != without:
                specs.append(pinned_spec(revision))
        return shipped_sources(specs)

    def _note_run(self, place: Place, raw: JsonObject) -> None:
        old = self.get(WORKFLOW_RUN, place)
        self.durable_tasks.note(old, raw)
        self.pins.put(place, raw)
        if waits_for_unpause(raw):
            self.paused_runs.add(place)
        else:
            self.paused_runs.discard(place)
        if is_over(raw):
            self._restarted.discard(place)
            for each in CHILDREN:
                for child in list(self.group(each, *place).values()):
                    self._hold_child_of_run_that_is_over(each, child)
        elif old is not None and is_over(old):
            self._restarted.add(place)

    def _of_run_that_is_over(self, child: JsonObject) -> bool:
        run = self.get(
            WORKFLOW_RUN, (child["metadata"]["namespace"], label(child, labels.RUN) or "")
        )
        return run is not None and is_over(run)

    def _hold_child_of_run_that_is_over(self, kind: Kind, raw: JsonObject) -> None:
        """Finished runs are many and must not fill the memory: of most children a number stays."""
        store = self._stores[kind.kind]
        if is_active_job(kind, raw) or may_linger(kind, raw):
            store.put(without_managed_fields(raw))
        else:
            owner = controller_uid(raw) if kind is JOB else None
            store.put_version(place_of(raw), version_of(raw), owner)


class Pins:
    """For each workflow which runs hold which of its revisions, and from when on.

    A scheduled run holds none before its time: it takes the one that is there then.
    """

    def __init__(self) -> None:
        self._of_run: dict[Place, tuple[Place, str]] = {}
        self._runs: dict[Place, dict[str, dict[Place, datetime]]] = {}
        """For each workflow and revision the runs that hold it."""

    def put(self, place: Place, run: JsonObject) -> None:
        """The run is as it is now."""
        self.drop(place)
        revision: str | None = run.get("status", {}).get("revision")
        if revision is None and is_over(run):
            return
        workflow = (place[0], run["spec"]["workflow"])
        start: str | None = None if revision else run["spec"].get("startAt")
        self._of_run[place] = workflow, revision or UNDECIDED
        runs = self._runs.setdefault(workflow, {}).setdefault(revision or UNDECIDED, {})
        runs[place] = _begin(start) if start else _ALWAYS

    def drop(self, place: Place) -> None:
        """The run is gone."""
        if place not in self._of_run:
            return
        workflow, revision = self._of_run.pop(place)
        revisions = self._runs[workflow]
        del revisions[revision][place]
        if not revisions[revision]:
            del revisions[revision]
        if not revisions:
            del self._runs[workflow]

    def held(self, namespace: str, workflow: str, now: datetime) -> frozenset[str]:
        """Return the revisions that runs of the workflow hold now, UNDECIDED among them."""
        revisions = self._runs.get((namespace, workflow), {})
        return frozenset(
            name
            for name, runs in revisions.items()
            if name != UNDECIDED or any(begin <= now for begin in runs.values())
        )


def _begin(start: str) -> datetime:
    """Return from when on a scheduled run may hold a revision; a time we cannot read is any."""
    try:
        return datetime.fromisoformat(start).astimezone(UTC) - START_MARGIN
    except (OverflowError, ValueError):
        return _ALWAYS
