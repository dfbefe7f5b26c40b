"""A cluster in memory, with the verbs of `podhatch.cluster.Cluster` that the SDK's client uses.

It keeps what the API server keeps: uids, resource versions, generations, conflicts, a history that
watches replay and that can be forgotten. `tests/fakes/contract.py` holds it to the real one.
"""

import asyncio
import copy
import itertools
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, Unpack, cast

from podhatch.api.model import JsonObject
from podhatch.cluster import (
    POD,
    ApiError,
    ClusterUnreachable,
    Kind,
    LogLine,
    WatchEvent,
    kind_of,
)

from tests.fakes.log import FakeLog
from tests.fakes.selection import Selected, Selection

PAGE_SIZE = 2

Key = tuple[str, str, str]
"""Kind, namespace, name."""


@dataclass(frozen=True)
class Change:
    version: int
    key: Key
    event: WatchEvent


@dataclass
class FakeCluster:
    namespace: str = "default"
    namespaces: tuple[str, ...] = ("default",)
    installed: bool = True
    """False: the cluster does not know the kinds of podhatch."""
    on_create: Callable[[JsonObject], Awaitable[None]] | None = None
    """Started beside each creation of a run: the operator's part."""
    outages: int = 0
    """So many watches find no API server."""
    requests: Counter[str] = field(default_factory=Counter[str])
    logs: dict[str, FakeLog] = field(default_factory=dict[str, FakeLog])
    """Of pods, by name."""
    closed: bool = False
    user_name: str = "alice@example.com"

    def __post_init__(self) -> None:
        self._objects: dict[Key, JsonObject] = {}
        self._history: list[Change] = []
        self._versions = itertools.count(1)
        self._forgotten = 0
        self._changed = asyncio.Condition()
        self._streams = 0
        self._reactions: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        self.closed = True

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        kind, key = self._served("create", manifest)
        if key in self._objects:
            raise ApiError(409, "AlreadyExists", f'{_resource(kind)} "{key[2]}" already exists')
        if dry_run:
            return copy.deepcopy(manifest)
        created = await self._store("ADDED", key, {**manifest, "status": None}, generation=1)
        if kind.kind == "WorkflowRun" and self.on_create is not None:
            reaction = asyncio.ensure_future(self.on_create(copy.deepcopy(created)))
            self._reactions.add(reaction)
        return created

    async def user(self) -> str:
        self.requests["user"] += 1
        return self.user_name

    async def get(self, kind: Kind, namespace: str, name: str) -> JsonObject:
        self._count("get", kind)
        return copy.deepcopy(self._found(kind, namespace, name))

    async def apply(self, manifest: JsonObject, *, field_manager: str) -> JsonObject:
        assert field_manager, "server-side apply needs one"
        _, key = self._served("apply", manifest)
        stored = self._objects.get(key)
        if stored is None:
            return await self._store("ADDED", key, manifest, generation=1)
        generation = stored["metadata"]["generation"]
        changed = {**stored, **manifest, "metadata": {**stored["metadata"], **manifest["metadata"]}}
        if changed == stored:
            return copy.deepcopy(stored)
        if changed.get("spec") != stored.get("spec"):
            generation += 1
        return await self._store("MODIFIED", key, changed, generation=generation)

    async def replace(
        self, manifest: JsonObject, *, field_manager: str, dry_run: bool = False
    ) -> JsonObject:
        assert field_manager, "else it is the program's name"
        kind, key = self._served("update", manifest)
        stored = self._found(kind, key[1], key[2])
        if manifest["metadata"]["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        changed = {**manifest, "status": stored.get("status")}
        if dry_run or {**stored, "status": stored.get("status")} == changed:
            return copy.deepcopy(changed)
        is_new = changed.get("spec") != stored.get("spec")
        generation = stored["metadata"]["generation"] + is_new
        return await self._store("MODIFIED", key, changed, generation=generation)

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        self._count("patch", kind)
        stored = self._found(kind, namespace, name)
        version = body.get("metadata", {}).get("resourceVersion")
        if version not in (None, stored["metadata"]["resourceVersion"]):
            raise ApiError(409, "Conflict", "the object has been modified")
        changed = _merged(stored, body)
        generation = stored["metadata"]["generation"] + (changed["spec"] != stored["spec"])
        return await self._store("MODIFIED", _key(stored), changed, generation=generation)

    async def replace_status(self, manifest: JsonObject) -> JsonObject:
        kind = kind_of(manifest)
        metadata = manifest["metadata"]
        self._count("update", kind)
        stored = self._found(kind, metadata["namespace"], metadata["name"])
        if metadata["resourceVersion"] != stored["metadata"]["resourceVersion"]:
            raise ApiError(409, "Conflict", "the object has been modified")
        generation = stored["metadata"]["generation"]
        changed = {**stored, "status": manifest["status"]}
        return await self._store("MODIFIED", _key(stored), changed, generation=generation)

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        self._count("delete", kind)
        stored = self._found(kind, namespace, name)
        metadata = stored["metadata"]
        if uid not in (None, metadata["uid"]):
            raise ApiError(409, "Conflict", "the UID in the precondition is not the object's")
        if resource_version not in (None, metadata["resourceVersion"]):
            raise ApiError(409, "Conflict", "the ResourceVersion in the precondition is not")
        await self._record("DELETED", _key(stored), self._objects.pop(_key(stored)))

    async def pages(
        self, kind: Kind, namespace: str | None = None, **selection: Unpack[Selection]
    ) -> AsyncGenerator[tuple[list[JsonObject], str], None]:
        selected = Selected(kind, selection)
        held = [
            each
            for each in sorted(self.objects(kind.kind), key=_key)
            if namespace in (None, each["metadata"]["namespace"]) and selected.holds(each)
        ]
        size = selection.get("page_size") or PAGE_SIZE
        version = str(next(self._versions))
        for start in range(0, len(held) or 1, size):
            self._count("list", kind)
            yield [selected.part(each) for each in held[start : start + size]], version

    async def rows(
        self, kind: Kind, namespace: str | None = None, *, field_selector: str = ""
    ) -> list[JsonObject]:
        """Return of each object the name, the namespace and what a Created column shows."""
        found: list[JsonObject] = []
        async for page, _ in self.pages(kind, namespace, field_selector=field_selector):
            found += [each["metadata"] for each in page]
        return [
            {
                "Name": each["name"],
                "Namespace": each["namespace"],
                "Created": each["creationTimestamp"],
            }
            for each in found
        ]

    async def watch(
        self,
        kind: Kind,
        namespace: str,
        *,
        name: str | None = None,
        label_selector: str = "",
        resource_version: str,
    ) -> AsyncGenerator[WatchEvent, None]:
        self._count("watch", kind)
        if self.outages:
            self.outages -= 1
            raise ClusterUnreachable("the API server is away")
        seen, stream = int(resource_version), self._streams
        if seen < self._forgotten:
            raise ApiError(410, "Expired", "too old resource version")
        while stream == self._streams:
            for change in [each for each in self._history if each.version > seen]:
                seen = change.version
                wanted = change.key[:2] == (kind.kind, namespace) and name in (None, change.key[2])
                if wanted and _labelled(change.event.object, label_selector):
                    yield copy.deepcopy(change.event)
            async with self._changed:
                if stream == self._streams and not any(
                    each.version > seen for each in self._history
                ):
                    await self._changed.wait()

    async def log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,
        follow: bool = False,
        since: datetime | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        self._found(POD, namespace, pod)
        assert container == "task"
        async with aclosing(self.logs[pod].read(follow=follow, since=since)) as lines:
            async for line in lines:
                yield line

    async def end_watches(self) -> None:
        """End all open streams, as the API server does now and then."""
        async with self._changed:
            self._streams += 1
            self._changed.notify_all()

    def forget(self) -> None:
        """Forget the history: watches from an older version are refused."""
        self._forgotten = next(self._versions)

    def objects(self, kind: str) -> list[JsonObject]:
        return [copy.deepcopy(each) for key, each in self._objects.items() if key[0] == kind]

    def _served(self, verb: str, manifest: JsonObject) -> tuple[Kind, Key]:
        kind, key = kind_of(manifest), _key(manifest)
        self._count(verb, kind)
        if key[1] not in self.namespaces:
            raise ApiError(404, "NotFound", f'namespaces "{key[1]}" not found')
        return kind, key

    def _found(self, kind: Kind, namespace: str, name: str) -> JsonObject:
        stored = self._objects.get((kind.kind, namespace, name))
        if stored is None:
            raise ApiError(404, "NotFound", f'{_resource(kind)} "{name}" not found')
        return stored

    def _count(self, verb: str, kind: Kind) -> None:
        self.requests[f"{verb} {kind.kind}"] += 1
        if kind.group == "podhatch.dev" and not self.installed:
            raise ApiError(404, "NotFound", "404 page not found")

    async def _store(
        self, event: Literal["ADDED", "MODIFIED"], key: Key, manifest: JsonObject, generation: int
    ) -> JsonObject:
        version = next(self._versions)
        metadata = {
            "uid": f"uid-{version}",
            "creationTimestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            **manifest["metadata"],
            "generation": generation,
            "resourceVersion": str(version),
        }
        stored = {**copy.deepcopy(manifest), "metadata": metadata}
        if stored.get("status") is None:
            stored.pop("status", None)
        self._objects[key] = stored
        await self._record(event, key, stored, version)
        return copy.deepcopy(stored)

    async def _record(
        self,
        event: Literal["ADDED", "MODIFIED", "DELETED"],
        key: Key,
        stored: JsonObject,
        version: int | None = None,
    ) -> None:
        change = Change(version or next(self._versions), key, WatchEvent(event, stored))
        async with self._changed:
            self._history.append(change)
            self._changed.notify_all()

    async def list(
        self, kind: Kind, namespace: str | None = None, **selection: Unpack[Selection]
    ) -> tuple[list[JsonObject], str]:
        version, items = "", list[JsonObject]()
        async for page, version in self.pages(kind, namespace, **selection):  # noqa: B007
            items += page
        return items, version


def _merged(old: JsonObject, patch: JsonObject) -> JsonObject:
    merged = {**old, **patch}
    for name, value in patch.items():
        if isinstance(value, dict):
            merged[name] = _merged(old.get(name, {}), cast("JsonObject", value))
    return {name: value for name, value in merged.items() if value is not None}


def _labelled(manifest: JsonObject, selector: str) -> bool:
    labels = manifest["metadata"].get("labels", {})
    wanted = [term.partition("=") for term in selector.split(",") if term]
    return all(labels.get(key) == value for key, _, value in wanted)


def _key(manifest: JsonObject) -> Key:
    metadata = manifest["metadata"]
    return manifest["kind"], metadata["namespace"], metadata["name"]


def _resource(kind: Kind) -> str:
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural
