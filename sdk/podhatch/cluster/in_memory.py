"""A cluster in this process: for runs without a cluster, and for tests.

It keeps what the API server keeps: uids, resource versions, generations, conflicts, managers of
applied fields, and a history that watches replay. It lives in one event loop. Subclasses add what
is theirs through the hooks `requested`, `admit` and `changed`.
"""

# ruff: noqa: D102 - the verbs have docstrings in ClusterApi

import asyncio
import itertools
from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from contextlib import suppress
from datetime import UTC, datetime
from typing import TypeVar, cast

from podhatch.api.model import JsonObject
from podhatch.cluster.errors import ApiError
from podhatch.cluster.kinds import POD, Kind, kind_of
from podhatch.cluster.protocol import ClusterApi, EventType, LogLine, WatchEvent
from podhatch.cluster.selectors import check_fields, matches

MAX_HISTORY = 1000
"""Changes that a watch can replay; a watch from an older version is refused, as by etcd."""
FOLLOW_SECONDS = 0.05
"""The delay of lines in a log that is followed."""

Key = tuple[str, str, str]
"""Kind, namespace, name."""


class InMemoryCluster(ClusterApi):
    """Objects in memory.

    Attributes:
        namespace: Of objects that name none.
        namespaces: Those that exist.
        page_size: How many objects a page has when nothing else is asked for.
        logs: What each pod has written, by its name.
    """

    page_size = 500

    def __init__(self, namespace: str = "default") -> None:
        self.namespace = namespace
        self.namespaces = {namespace}
        self.logs: defaultdict[str, list[LogLine]] = defaultdict(list)
        self._objects: dict[Key, JsonObject] = {}
        self._history: deque[tuple[int, WatchEvent]] = deque()
        self._forgotten = 0
        self._streams = 0
        self._versions = itertools.count(1)
        self._changed = asyncio.Event()

    # Hooks for subclasses.

    def requested(self, verb: str, kind: Kind, *, dry_run: bool = False) -> None:
        """Called for each request: raise ApiError to refuse it."""

    def admit(self, manifest: JsonObject) -> None:
        """Called for each object that a client writes: raise ApiError to refuse it."""

    def changed(self, stored: JsonObject) -> None:
        """Called after an object was created, changed or deleted."""

    def timestamp(self) -> str:
        """Return the time as the API server writes it."""
        return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"

    # Direct access without requests, for the part of a controller or the kubelet.

    def stored(self, kind: str) -> dict[str, JsonObject]:
        """Return all objects of a kind by name: not to be changed."""
        return {name: each for (of, _, name), each in self._objects.items() if of == kind}

    def objects(self, kind: str) -> list[JsonObject]:
        """Return copies of all objects of a kind."""
        return [_copied(each) for key, each in self._objects.items() if key[0] == kind]

    def find(self, kind: str, name: str) -> JsonObject | None:
        """Return the object, not to be changed, or None."""
        return self._objects.get((kind, self.namespace, name))

    def put(self, manifest: JsonObject) -> JsonObject:
        """Store a new object with its status; an existing one does not change."""
        return self._objects.get(self._key(manifest)) or self._store("ADDED", manifest, 1)

    def change(self, kind: str, name: str, **fields: object) -> None:
        """Replace top-level fields of an existing object."""
        stored = self._objects[kind, self.namespace, name]
        self._store("MODIFIED", {**stored, **fields}, _generation(stored))

    def remove(self, kind: str, name: str) -> None:
        """Delete the object, if it exists."""
        if stored := self.find(kind, name):
            self._remove(stored)

    def drop_watches(self) -> None:
        """End all open watches, as the API server does from time to time."""
        self._streams += 1
        self._wake()

    def forget(self) -> None:
        """Forget the history: watches from an older version are refused."""
        self._forgotten = next(self._versions)
        self._history.clear()

    # The verbs of `ClusterApi`.

    async def close(self) -> None:
        """Do nothing: no connection is open."""

    def now(self) -> datetime:
        return datetime.fromisoformat(self.timestamp())

    async def user(self) -> str:
        return "local"

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """Create the object, without its status; 409 AlreadyExists if the name is taken."""
        kind, key = self._served("create", manifest, dry_run=dry_run)
        if key in self._objects:
            raise ApiError(409, "AlreadyExists", f'{_resource(kind)} "{key[2]}" already exists')
        self.admit(manifest)
        if dry_run:
            return _copied(manifest)
        bare = {name: value for name, value in manifest.items() if name != "status"}
        return _copied(self._store("ADDED", bare, 1))

    async def get(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        bounded: bool = False,  # noqa: ARG002 - objects in memory are held whole
    ) -> JsonObject:
        self.requested("get", kind)
        return _copied(self._found(kind, namespace, name))

    async def pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        page_size: int | None = None,
        bounded: bool = False,  # noqa: ARG002
    ) -> AsyncGenerator[tuple[list[JsonObject], str], None]:
        """Yield the objects in the order of namespace and name."""
        check_fields(kind, field_selector)
        found = [
            each
            for key, each in sorted(self._objects.items(), key=lambda item: item[0])
            if key[0] == kind.kind
            and namespace in (None, key[1])
            and matches(each, label_selector, field_selector)
        ]
        if metadata_only:
            kept = ("apiVersion", "kind", "metadata")
            found = [{name: each[name] for name in kept} for each in found]
        version = str(next(self._versions))
        size = page_size or self.page_size
        for start in range(0, len(found) or 1, size):
            self.requested("list", kind)
            yield _copied(found[start : start + size]), version

    async def rows(
        self, kind: Kind, namespace: str | None = None, *, field_selector: str = ""
    ) -> list[JsonObject]:
        """Return name, namespace and creation time of each object."""
        found, _ = await self.list(kind, namespace, field_selector=field_selector)
        return [
            {
                "Name": each["metadata"]["name"],
                "Namespace": each["metadata"]["namespace"],
                "Created": each["metadata"]["creationTimestamp"],
            }
            for each in found
        ]

    async def apply(self, manifest: JsonObject, *, field_manager: str) -> JsonObject:
        """Merge the fields into the object; the manager's earlier other fields are removed."""
        _, key = self._served("apply", manifest)
        stored = self._objects.get(key, {"metadata": {}})
        managed: dict[str, JsonObject] = {
            each["manager"]: each for each in stored["metadata"].get("managedFields", ())
        }
        before = managed.get(field_manager, {}).get("fieldsV1", {})
        fields = {name: value for name, value in manifest.items() if name not in _IDENTITY}
        managed[field_manager] = {
            "manager": field_manager,
            "operation": "Apply",
            "fieldsV1": _field_set(fields),
        }
        changed = _overlaid(_without(stored, before), manifest)
        changed["metadata"]["managedFields"] = [*managed.values()]
        self.admit(changed)
        if changed == stored:
            return _copied(changed)
        if key not in self._objects:
            return _copied(self._store("ADDED", changed, 1))
        return _copied(self._replace(stored, changed))

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        self.requested("patch", kind)
        stored = self._found(kind, namespace, name)
        _expect_latest(stored, body.get("metadata", {}))
        changed = _overlaid(stored, body)
        self.admit(changed)
        return _copied(self._replace(stored, changed))

    async def replace(
        self, manifest: JsonObject, *, field_manager: str, dry_run: bool = False
    ) -> JsonObject:
        assert field_manager, "else it is the program's name"
        kind, key = self._served("update", manifest, dry_run=dry_run)
        stored = self._found(kind, key[1], key[2])
        _expect_latest(stored, manifest["metadata"])
        self.admit(manifest)
        changed = {name: value for name, value in manifest.items() if name != "status"}
        if "status" in stored:
            changed["status"] = stored["status"]
        return _copied(changed if dry_run else self._replace(stored, changed))

    async def replace_status(
        self,
        manifest: JsonObject,
        *,
        metadata_only: bool = False,  # noqa: ARG002
    ) -> JsonObject:
        kind, key = self._served("update", manifest)
        stored = self._found(kind, key[1], key[2])
        _expect_latest(stored, manifest["metadata"])
        changed = {**stored, "status": manifest["status"]}
        return _copied(self._store("MODIFIED", changed, _generation(stored)))

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete the object alone: nothing collects its children."""
        self.requested("delete", kind)
        stored = self._found(kind, namespace, name)
        _expect(stored, uid=uid, version=resource_version)
        self._remove(stored)

    async def watch(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        name: str | None = None,
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        self.requested("watch", kind)

        def is_wanted(stored: JsonObject) -> bool:
            of, where, named = self._key(stored)
            return (
                of == kind.kind
                and namespace in (None, where)
                and name in (None, named)
                and matches(stored, label_selector, "")
            )

        seen = int(resource_version or next(self._versions))
        if not resource_version:
            for stored in filter(is_wanted, [*self._objects.values()]):
                yield WatchEvent("ADDED", _copied(stored))
        stream = self._streams
        while stream == self._streams:
            if seen < self._forgotten:
                raise ApiError(410, "Expired", f"too old resource version: {seen}")
            changed = self._changed
            for version, event in [each for each in self._history if each[0] > seen]:
                seen = version
                if is_wanted(event.object):
                    yield WatchEvent(event.type, _copied(event.object))
            if changed is self._changed:
                await changed.wait()

    async def log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,  # noqa: ARG002 - task pods have one
        follow: bool = False,
        since: datetime | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        self._found(POD, namespace, pod)
        position = 0
        while True:
            changed, written = self._changed, self.logs[pod]
            ended = self._has_ended(namespace, pod)
            for line in written[position:]:
                position += 1
                if since is None or line.time >= since:
                    yield line
            if ended or not follow:
                return
            with suppress(TimeoutError):
                await asyncio.wait_for(changed.wait(), FOLLOW_SECONDS)

    def _has_ended(self, namespace: str, pod: str) -> bool:
        stored = self._objects.get((POD.kind, namespace, pod), {})
        phase = stored.get("status", {}).get("phase")
        return not stored or phase in ("Succeeded", "Failed")

    def _served(
        self, verb: str, manifest: JsonObject, *, dry_run: bool = False
    ) -> tuple[Kind, Key]:
        kind, key = kind_of(manifest), self._key(manifest)
        self.requested(verb, kind, dry_run=dry_run)
        if key[1] not in self.namespaces:
            raise ApiError(404, "NotFound", f'namespaces "{key[1]}" not found')
        return kind, key

    def _found(self, kind: Kind, namespace: str, name: str) -> JsonObject:
        stored = self._objects.get((kind.kind, namespace, name))
        if stored is None:
            raise ApiError(404, "NotFound", f'{_resource(kind)} "{name}" not found')
        return stored

    def _key(self, manifest: JsonObject) -> Key:
        metadata = manifest["metadata"]
        return manifest["kind"], metadata.get("namespace") or self.namespace, metadata["name"]

    def _replace(self, stored: JsonObject, changed: JsonObject) -> JsonObject:
        """Store a client's change, if it is one."""
        kept = {name: stored["metadata"][name] for name in _KEPT_METADATA}
        changed = {**changed, "metadata": {**changed["metadata"], **kept}}
        if changed == stored:
            return stored
        is_new = changed.get("spec") != stored.get("spec")
        return self._store("MODIFIED", changed, _generation(stored) + is_new)

    def _store(self, event: EventType, manifest: JsonObject, generation: int) -> JsonObject:
        version = next(self._versions)
        key = self._key(manifest)
        metadata = {
            "namespace": key[1],
            "uid": f"uid-{version}",
            "creationTimestamp": self.timestamp(),
            **manifest["metadata"],
            "generation": generation,
            "resourceVersion": str(version),
        }
        stored = _copied({**manifest, "metadata": metadata})
        self._objects[key] = stored
        self._record(version, WatchEvent(event, stored))
        return stored

    def _remove(self, stored: JsonObject) -> None:
        del self._objects[self._key(stored)]
        version = next(self._versions)
        metadata = {**stored["metadata"], "resourceVersion": str(version)}
        self._record(version, WatchEvent("DELETED", {**stored, "metadata": metadata}))

    def _record(self, version: int, event: WatchEvent) -> None:
        self._history.append((version, event))
        if len(self._history) > MAX_HISTORY:
            self._forgotten, _ = self._history.popleft()
        self._wake()
        self.changed(event.object)

    def _wake(self) -> None:
        """Wake all watches."""
        self._changed.set()
        self._changed = asyncio.Event()


_IDENTITY = ("apiVersion", "kind", "metadata")
_KEPT_METADATA = ("namespace", "uid", "creationTimestamp", "generation", "resourceVersion")


_Json = TypeVar("_Json")


def _copied(value: _Json) -> _Json:
    """Return a JSON value that shares no object and no list with this one."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        return cast("_Json", {name: _copied(part) for name, part in members.items()})
    if isinstance(value, list):
        return cast("_Json", [_copied(part) for part in cast("list[object]", value)])
    return value


def _expect(stored: JsonObject, *, uid: str | None = None, version: str | None = None) -> None:
    metadata = stored["metadata"]
    if uid not in (None, metadata["uid"]) or version not in (None, metadata["resourceVersion"]):
        raise ApiError(409, "Conflict", f"{metadata['name']}: the object has been modified")


def _expect_latest(stored: JsonObject, metadata: JsonObject) -> None:
    _expect(stored, uid=metadata.get("uid"), version=metadata.get("resourceVersion"))


def _overlaid(old: JsonObject, new: JsonObject) -> JsonObject:
    """Return the object with the fields of another over its own; None removes a field."""
    merged = {**old, **new}
    for name, value in new.items():
        if isinstance(value, dict):
            merged[name] = _overlaid(old.get(name) or {}, cast("JsonObject", value))
    return {name: value for name, value in merged.items() if value is not None}


def _field_set(fields: JsonObject) -> JsonObject:
    """Return fields as `fieldsV1` of managedFields names them; lists count as one field."""
    return {
        f"f:{name}": _field_set(cast("JsonObject", value)) if isinstance(value, dict) else {}
        for name, value in fields.items()
        if value != {}
    }


def _without(stored: JsonObject, fields: JsonObject) -> JsonObject:
    """Return an object without the fields of a `fieldsV1`."""
    kept: JsonObject = {}
    for name, value in stored.items():
        inner = fields.get(f"f:{name}")
        if inner and isinstance(value, dict):
            kept[name] = _without(cast("JsonObject", value), inner)
        elif inner is None:
            kept[name] = value
    return kept


def _generation(stored: JsonObject) -> int:
    return int(stored["metadata"]["generation"])


def _resource(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural
