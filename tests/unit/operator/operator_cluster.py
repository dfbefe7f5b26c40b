"""The fake cluster, with what the operator needs beyond the SDK: lists, and refusals on demand."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Unpack

from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, Kind

from tests.fakes.cluster import FakeCluster, Selection


@dataclass
class OperatorCluster(FakeCluster):
    refusals: dict[str, ApiError] = field(default_factory=dict[str, ApiError])
    """By kind: what the next requests about objects of it are answered."""
    order: list[str] = field(default_factory=list[str])
    """Verb and kind of each write, as they came."""

    async def create_as_user(self, manifest: JsonObject) -> JsonObject:
        """Create past the record of the operator's own writes."""
        return await super().create(_with_creation_time(manifest))

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        self._write("dry-run" if dry_run else "create", manifest["kind"])
        return await super().create(_with_creation_time(manifest), dry_run=dry_run)

    async def get(
        self, kind: Kind, namespace: str, name: str, *, bounded: bool = False
    ) -> JsonObject:
        return await super().get(kind, namespace, name)

    async def replace_status(
        self, manifest: JsonObject, *, metadata_only: bool = False
    ) -> JsonObject:
        self._write("update", manifest["kind"])
        return await super().replace_status(manifest)

    async def apply(self, manifest: JsonObject, *, field_manager: str) -> JsonObject:
        self._write("apply", manifest["kind"])
        return await super().apply(manifest, field_manager=field_manager)

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        self._write("patch", kind.kind)
        stored = self._found(kind, namespace, name)
        metadata = body.get("metadata", {})
        version = stored["metadata"]["resourceVersion"]
        if metadata.get("resourceVersion", version) != version:
            raise ApiError(409, "Conflict", "the object has been modified")
        labels = {**stored["metadata"].get("labels", {}), **metadata.get("labels", {})}
        changed = {
            **stored,
            "metadata": {**stored["metadata"], "labels": labels},
            "spec": {**stored.get("spec", {}), **body.get("spec", {})},
        }
        key = (kind.kind, namespace, name)
        generation = stored["metadata"]["generation"] + (changed["spec"] != stored.get("spec"))
        return await self._store("MODIFIED", key, changed, generation=generation)

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        self._write("delete", kind.kind)
        await super().delete(kind, namespace, name, uid=uid, resource_version=resource_version)

    async def pages(
        self, kind: Kind, namespace: str | None = None, **selection: Unpack[Selection]
    ) -> AsyncGenerator[tuple[list[JsonObject], str], None]:
        if refusal := self.refusals.get(f"list {kind.kind}"):
            raise refusal
        async for page in super().pages(kind, namespace, **selection):
            yield page

    def _write(self, verb: str, kind: str) -> None:
        self.order.append(f"{verb} {kind}")
        if refusal := self.refusals.get(f"{verb} {kind}"):
            raise refusal


def _with_creation_time(manifest: JsonObject) -> JsonObject:
    metadata = {"creationTimestamp": "2026-11-23T12:00:00Z", **manifest["metadata"]}
    return {**manifest, "metadata": metadata}
