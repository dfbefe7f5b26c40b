"""The objects of local runs, with the verbs of the API server that the SDK's client uses.

It keeps what the API server keeps: uids, versions, generations, conflicts, watches. Lives in one
event loop; the engine is told of every change.
"""

# ruff: noqa: ARG002 - the verbs take what those of a cluster take

import asyncio
import contextlib
import copy
import itertools
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable
from datetime import datetime
from typing import Literal, NoReturn, cast

from podhatch.api.event import WorkflowEvent
from podhatch.api.labels import RUN
from podhatch.api.model import ApiObject, JsonObject, format_time
from podhatch.api.run import WorkflowRun
from podhatch.api.workflow import Workflow
from podhatch.cluster import POD, ApiError, Cluster, Kind, LogLine, WatchEvent, kind_of
from podhatch.local.clock import Clock
from podhatch.local.selectors import matches

NAMESPACE = "local"
USER = "local"
"""Who pushes the events of local runs."""
FOLLOW_SECONDS = 0.05
"""How soon a line of a log that is followed is seen."""
Key = tuple[str, str]
"""Kind and name."""
Event = Literal["ADDED", "MODIFIED", "DELETED"]

_MODELS: dict[str, type[ApiObject]] = {
    model.__name__: model for model in (Workflow, WorkflowRun, WorkflowEvent)
}
"""Kinds whose objects are checked, as the API server checks them."""


class LocalCluster(Cluster):
    """Objects in memory, in place of a connection to a cluster."""

    def __init__(self, clock: Clock, on_change: Callable[[JsonObject], None]) -> None:
        self.namespace = NAMESPACE
        self.on_request = None
        self._clock = clock
        self._on_change = on_change
        self._objects: dict[Key, JsonObject] = {}
        self._of_runs: defaultdict[str, dict[Key, None]] = defaultdict(dict)
        """What belongs to each run, by the run's name."""
        self._versions = itertools.count(1)
        self.logs: defaultdict[str, list[LogLine]] = defaultdict(list)
        """What each pod has written."""
        self._latest: dict[Key, WatchEvent] = {}
        """The last change of each object, in the order of their versions."""
        self._changed = asyncio.Event()

    def stored(self, kind: str) -> dict[str, JsonObject]:
        """Return all objects of a kind by name: not to be changed."""
        return {name: each for (of, name), each in self._objects.items() if of == kind}

    def of_run(self, kind: str, run: str) -> dict[str, JsonObject]:
        """Return the objects of a kind that belong to a run, by name: not to be changed."""
        names = self._of_runs[run]
        return {name: self._objects[of, name] for of, name in names if of == kind}

    def find(self, kind: str, name: str) -> JsonObject | None:
        """Return the object, not to be changed, or None."""
        return self._objects.get((kind, name))

    def put(self, manifest: JsonObject) -> JsonObject:
        """Store a new object; of one that is there, nothing changes."""
        key = _key(manifest)
        return self._objects.get(key) or self._store("ADDED", manifest, generation=1)

    def change(self, kind: str, name: str, **fields: object) -> None:
        """Replace top-level fields of an object that is there."""
        stored = self._objects[kind, name]
        generation: int = stored["metadata"]["generation"]
        self._store("MODIFIED", {**stored, **fields}, generation=generation)

    def remove(self, kind: str, name: str) -> None:
        """Delete the object, if it is there."""
        stored = self._objects.pop((kind, name), None)
        if stored is not None:
            self._of_runs[_run_of(stored)].pop((kind, name), None)
            self._tell("DELETED", stored)

    async def log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,
        follow: bool = False,
        since: datetime | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """Yield the lines that a task has written through its context, or its child process."""
        position = 0
        while True:
            changed, written = self._changed, self.logs[pod]
            ended = self.find(POD.kind, pod) is None or self._has_ended(pod)
            for line in written[position:]:
                position += 1
                if since is None or line.time >= since:
                    yield line
            if ended or not follow:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), FOLLOW_SECONDS)

    def _has_ended(self, pod: str) -> bool:
        stored = self._objects[POD.kind, pod]
        return stored["status"]["phase"] in ("Succeeded", "Failed")

    async def close(self) -> None:
        """Nothing is open."""

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """Create the object; 409 AlreadyExists when there is one of that name."""
        kind, key = kind_of(manifest), _key(manifest)
        if key in self._objects:
            raise ApiError(409, "AlreadyExists", f'{kind.plural} "{key[1]}" already exists')
        self._check(manifest)
        created = manifest if dry_run else self._store("ADDED", manifest, generation=1)
        return copy.deepcopy(created)

    async def user(self) -> str:
        """Return who pushes events here that no task pushes."""
        return USER

    async def get(
        self, kind: Kind, namespace: str, name: str, *, bounded: bool = False
    ) -> JsonObject:
        """Return the object, whole."""
        return copy.deepcopy(self._found(kind, name))

    async def pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        page_size: int | None = None,
        bounded: bool = False,
    ) -> AsyncGenerator[tuple[list[JsonObject], str], None]:
        """Yield all objects, whole and as one page."""
        found = [
            copy.deepcopy(each)
            for each in self.stored(kind.kind).values()
            if matches(each, label_selector, field_selector)
        ]
        yield found, self._version()

    async def replace(
        self, manifest: JsonObject, *, field_manager: str, dry_run: bool = False
    ) -> JsonObject:
        """Put the object in the place of the one that is there."""
        stored = self._found(kind_of(manifest), manifest["metadata"]["name"])
        self._expect(stored, manifest["metadata"]["resourceVersion"])
        self._check(manifest)
        changed = {**stored, **manifest}
        return copy.deepcopy(changed if dry_run else self._replace(stored, changed))

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        """Change the fields that `body` names; None removes one."""
        stored = self._found(kind, name)
        version = body.get("metadata", {}).get("resourceVersion")
        self._expect(stored, version)
        changed = _merged(stored, body)
        self._check(changed)
        return copy.deepcopy(self._replace(stored, changed))

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete the object."""
        stored = self._found(kind, name)
        if uid not in (None, stored["metadata"]["uid"]):
            _conflict(name)
        self._expect(stored, resource_version)
        self.remove(kind.kind, name)

    async def watch(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        name: str | None = None,
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes after `resource_version`; without one, first all objects as ADDED."""
        fields = f"metadata.name={name}" if name else ""
        seen = int(resource_version or 0)
        while True:
            changed = self._changed
            for event in [*self._latest.values()]:
                if (version := _version_of(event)) <= seen:
                    continue
                seen = version
                if event.object["kind"] == kind.kind and matches(
                    event.object, label_selector, fields
                ):
                    yield copy.deepcopy(event)
            await changed.wait()

    def _replace(self, stored: JsonObject, changed: JsonObject) -> JsonObject:
        """Store a user's change, if it is one."""
        if changed == stored:
            return stored
        generation = int(stored["metadata"]["generation"])
        generation += changed.get("spec") != stored.get("spec")
        return self._store("MODIFIED", changed, generation=generation)

    def _store(self, event: Event, manifest: JsonObject, generation: int) -> JsonObject:
        version = next(self._versions)
        metadata = {
            "namespace": NAMESPACE,
            "uid": f"local-{version}",
            "creationTimestamp": format_time(self._clock.now()),
            **manifest["metadata"],
            "generation": generation,
            "resourceVersion": str(version),
        }
        stored = {**copy.deepcopy(manifest), "metadata": metadata}
        if stored["kind"] == "WorkflowEvent":  # seen by the clock of the run, not the machine's
            stored["spec"]["seenAt"] = metadata["creationTimestamp"]
        self._objects[_key(stored)] = stored
        self._of_runs[_run_of(stored)][_key(stored)] = None
        self._tell(event, stored)
        return stored

    def _tell(self, event: Event, stored: JsonObject) -> None:
        if event == "DELETED":
            version = str(next(self._versions))
            stored = {**stored, "metadata": {**stored["metadata"], "resourceVersion": version}}
        self._latest.pop(_key(stored), None)
        self._latest[_key(stored)] = WatchEvent(event, stored)
        self._changed.set()
        self._changed = asyncio.Event()
        self._on_change(stored)

    def _version(self) -> str:
        return str(max(map(_version_of, self._latest.values()), default=0))

    def _found(self, kind: Kind, name: str) -> JsonObject:
        stored = self._objects.get((kind.kind, name))
        if stored is None:
            raise ApiError(404, "NotFound", f'{kind.plural} "{name}" not found')
        return stored

    def _check(self, manifest: JsonObject) -> None:
        from pydantic import ValidationError

        from podhatch.values.codec import describe

        model = _MODELS.get(manifest["kind"])
        try:
            if model is not None:
                model.model_validate(manifest)
        except ValidationError as error:
            raise ApiError(422, "Invalid", describe(error)) from None

    def _expect(self, stored: JsonObject, version: str | None) -> None:
        if version not in (None, stored["metadata"]["resourceVersion"]):
            _conflict(stored["metadata"]["name"])


def _version_of(event: WatchEvent) -> int:
    return int(event.object["metadata"]["resourceVersion"])


def _conflict(name: str) -> NoReturn:
    raise ApiError(409, "Conflict", f"{name}: the object has been modified")


def _merged(old: JsonObject, patch: JsonObject) -> JsonObject:
    merged = {**old, **patch}
    for name, value in patch.items():
        if isinstance(value, dict):
            merged[name] = _merged(old.get(name) or {}, cast("JsonObject", value))
    return {name: value for name, value in merged.items() if value is not None}


def _run_of(stored: JsonObject) -> str:
    """Return the run that an object belongs to; empty when to none."""
    return stored["metadata"].get("labels", {}).get(RUN, "")


def _key(manifest: JsonObject) -> Key:
    return manifest["kind"], manifest["metadata"]["name"]
