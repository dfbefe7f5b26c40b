"""A simulated API server, and an operator's view of it: late, in pieces, and restarted at will.

The server enforces what the real one does: names are taken once (409), a status write needs the
object's current resourceVersion (409), every change gets a higher version. Each kind has its own
watch, and nothing is said about their order.
"""

import copy
from dataclasses import dataclass, field

from podhatch.api.model import JsonObject

KINDS = (
    "WorkflowRun",
    "Workflow",
    "ControllerRevision",
    "Job",
    "Pod",
    "TaskResult",
    "ConfigMap",
    "WorkflowEvent",
    "CronWorkflow",
    "CronJob",
)


class ConflictError(Exception):
    """The name is taken, or the version is not the current one."""


@dataclass
class ApiServer:
    """What is stored, and the log of changes that watches read."""

    objects: dict[str, dict[str, JsonObject]] = field(
        default_factory=lambda: {kind: {} for kind in KINDS}
    )
    changes: dict[str, list[tuple[str, JsonObject | None]]] = field(
        default_factory=lambda: {kind: [] for kind in KINDS}
    )
    version: int = 0

    def create(self, manifest: JsonObject) -> JsonObject:
        """Store a new object.

        Raises:
            ConflictError: there is one of this kind and name.
        """
        kind, name = manifest["kind"], manifest["metadata"]["name"]
        if name in self.objects[kind]:
            raise ConflictError(name)
        return self._store(kind, name, manifest)

    def update(self, kind: str, name: str, change: JsonObject) -> JsonObject:
        """Change top-level fields of an object, as a controller or the kubelet would."""
        return self._store(kind, name, {**self.objects[kind][name], **change})

    def replace_status(self, name: str, version: str, status: JsonObject) -> JsonObject:
        """Write a run's status.

        Raises:
            ConflictError: the run has changed since `version`.
        """
        stored = self.objects["WorkflowRun"][name]
        if stored["metadata"]["resourceVersion"] != version:
            raise ConflictError(name)
        return self.update("WorkflowRun", name, {"status": status})

    def delete(self, kind: str, name: str) -> None:
        """Remove an object; nothing happens when it is gone already."""
        if self.objects[kind].pop(name, None) is not None:
            self.changes[kind].append((name, None))

    def _store(self, kind: str, name: str, content: JsonObject) -> JsonObject:
        self.version += 1
        stored = copy.deepcopy(content)
        stored["metadata"]["resourceVersion"] = str(self.version)
        self.objects[kind][name] = stored
        self.changes[kind].append((name, stored))
        return stored


@dataclass
class View:
    """What one operator process knows: it listed once, and reads changes as they come."""

    server: ApiServer
    known: dict[str, dict[str, JsonObject]] = field(init=False)
    read: dict[str, int] = field(init=False)

    def __post_init__(self) -> None:
        self.known = {kind: dict(self.server.objects[kind]) for kind in KINDS}
        self.read = {kind: len(self.server.changes[kind]) for kind in KINDS}

    def deliver(self, kind: str) -> bool:
        """Read the next change of a kind; False when there is none."""
        position = self.read[kind]
        if position >= len(self.server.changes[kind]):
            return False
        name, stored = self.server.changes[kind][position]
        self.read[kind] += 1
        if stored is None:
            self.known[kind].pop(name, None)
        else:
            self.learn(kind, stored)
        return True

    def deliver_again(self, kind: str, back: int) -> None:
        """Hear once more of an old change; a deletion is not told twice."""
        position = self.read[kind] - 1 - back
        if position < 0:
            return
        name, stored = self.server.changes[kind][position]
        if stored is not None and name in self.known[kind]:
            self.learn(kind, stored)

    def deliver_all(self) -> None:
        """Read every change there is."""
        for kind in KINDS:
            while self.deliver(kind):
                pass

    def learn(self, kind: str, stored: JsonObject) -> None:
        """Take over an object from a watch or a response, unless a later version is known."""
        name = stored["metadata"]["name"]
        old = self.known[kind].get(name)
        if old is None or _version(old) < _version(stored):
            self.known[kind][name] = stored


def _version(stored: JsonObject) -> int:
    return int(stored["metadata"]["resourceVersion"])
