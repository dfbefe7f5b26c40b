"""The cluster in memory, with the changes that watches tell, and an end for its operator."""

from collections import defaultdict
from collections.abc import Callable
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, POD, WORKFLOW_RUN, Kind, WatchEvent, kind_of

from tests.fakes.objects import NOW, time_text
from tests.unit.operator.operator_cluster import OperatorCluster

NAMESPACE = "team"
_WRITES = ("create", "update", "patch", "apply", "delete")


class Killed(BaseException):
    """The operator's process ends here."""


class LivingCluster(OperatorCluster):
    """Stores what the operator and others write, and remembers what tests ask of the past."""

    def __init__(self) -> None:
        super().__init__()
        self.namespace, self.namespaces = NAMESPACE, {NAMESPACE}
        self.clock: Callable[[], datetime] = lambda: NOW
        self.writes_left: int | None = None
        """The operator dies before the write after these. None: it lives."""
        self.changes: defaultdict[str, list[WatchEvent]] = defaultdict(list)
        """By kind, what each watch tells, in order."""
        self.made_jobs: list[JsonObject] = []
        self.deleted_jobs: list[str] = []
        self.statuses: list[JsonObject] = []
        """Of the run, as they were written."""

    def edit(self, kind: Kind, name: str, spec: JsonObject) -> None:
        """Replace the spec of an object, as a user does."""
        stored = self.stored(kind.kind)[name]
        generation = stored["metadata"]["generation"] + 1
        self._store("MODIFIED", {**stored, "spec": spec}, generation)

    async def replace_status(
        self, manifest: JsonObject, *, metadata_only: bool = False
    ) -> JsonObject:
        stored = await super().replace_status(manifest, metadata_only=metadata_only)
        if kind_of(stored) is WORKFLOW_RUN:
            self.statuses.append(stored["status"])
        return stored

    def requested(self, verb: str, kind: Kind, *, dry_run: bool = False) -> None:
        if self.writes_left is not None and verb in _WRITES and kind.kind != "Event":
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
        self.changes[kind].append(event)
        if kind == JOB.kind and event.type == "ADDED":
            self.made_jobs.append(event.object)
        if kind == JOB.kind and event.type == "DELETED":
            self.deleted_jobs.append(name)
            self.remove(POD.kind, name)
