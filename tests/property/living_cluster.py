"""The cluster in memory, with the changes that watches tell, and an end for its operator."""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial

from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, POD, WORKFLOW_RUN, Kind, WatchEvent, kind_of
from podhatch.cluster.in_memory import matches
from podhatch_operator.controllers.reconciler import WATCH_LIST

from tests.fakes.objects import NOW, time_text
from tests.unit.operator.operator_cluster import OperatorCluster

NAMESPACE = "team"
SELECTORS = WATCH_LIST.selectors
_WRITES = ("create", "update", "patch", "apply", "delete")


class Killed(BaseException):
    """The operator's process ends here."""


class LivingCluster(OperatorCluster):
    """Stores what the operator and others write, and remembers what tests ask of the past."""

    page_size = 500

    def __init__(self) -> None:
        super().__init__()
        self.namespace, self.namespaces = NAMESPACE, {NAMESPACE}
        self.clock: Callable[[], datetime] = lambda: NOW
        self.writes_left: int | None = None
        """The operator dies before the write after these. None: it lives."""
        self.last_write: Callable[[], Awaitable[JsonObject]] | None = None
        """Of the operator that died last, if it was an object or a status."""
        self.changes: defaultdict[str, list[WatchEvent]] = defaultdict(list)
        """By kind, what each watch tells, in order."""
        self.created: list[JsonObject] = []
        """By the operator, in order."""
        self.deleted_jobs: list[str] = []
        self.statuses: list[JsonObject] = []
        """Of the run, as they were written."""
        self._selected: defaultdict[str, set[str]] = defaultdict(set)
        """By kind, the names of the objects that the watch selects."""

    def edit(self, kind: Kind, name: str, spec: JsonObject) -> None:
        """Replace the spec of an object, as a user does."""
        stored = self.stored(kind.kind)[name]
        generation = stored["metadata"]["generation"] + 1
        self._store("MODIFIED", {**stored, "spec": spec}, generation)

    def selected(self, kind: Kind) -> list[JsonObject]:
        """Return the objects of a kind that the operator's list of it holds."""
        names = self._selected[kind.kind]
        return [raw for name, raw in self.stored(kind.kind).items() if name in names]

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        try:
            stored = await super().create(manifest, dry_run=dry_run)
        except Killed:
            self.last_write = partial(self.create, manifest)
            raise
        if not dry_run:
            self.created.append(stored)
        return stored

    async def replace_status(
        self, manifest: JsonObject, *, metadata_only: bool = False
    ) -> JsonObject:
        try:
            stored = await super().replace_status(manifest, metadata_only=metadata_only)
        except Killed:
            self.last_write = partial(self.replace_status, manifest)
            raise
        if kind_of(stored) is WORKFLOW_RUN:
            self.statuses.append(stored["status"])
        return stored

    def requested(self, verb: str, kind: Kind, *, dry_run: bool = False) -> None:
        is_write = verb in _WRITES and not dry_run and kind.kind != "Event"
        if self.writes_left is not None and is_write:
            if self.writes_left == 0:
                raise Killed
            self.writes_left -= 1
        super().requested(verb, kind, dry_run=dry_run)

    def timestamp(self) -> str:
        return time_text(self.clock())

    def _record(self, version: int, event: WatchEvent) -> None:
        """Remember the change; with a Job go its pods."""
        super()._record(version, event)
        kind, name = event.object["kind"], event.object["metadata"]["name"]
        if told := self._told(event):
            self.changes[kind].append(told)
        if kind == JOB.kind and event.type == "DELETED":
            self.deleted_jobs.append(name)
            self.remove(POD.kind, name)

    def _told(self, event: WatchEvent) -> WatchEvent | None:
        """Return the change as the watch tells it: an object that loses its labels is gone."""
        kind, name = kind_of(event.object), event.object["metadata"]["name"]
        selected = self._selected[kind.kind]
        was_selected = name in selected
        if event.type != "DELETED" and matches(event.object, SELECTORS.get(kind, ""), ""):
            selected.add(name)
            return event
        selected.discard(name)
        return WatchEvent("DELETED", event.object) if was_selected else None
