"""The fake cluster, with what the operator needs beyond the SDK: lists, and refusals on demand."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, Kind

from tests.fakes.cluster import FakeCluster


@dataclass
class OperatorCluster(FakeCluster):
    refusals: dict[str, ApiError] = field(default_factory=dict[str, ApiError])
    """By kind: what the next requests about objects of it are answered."""
    order: list[str] = field(default_factory=list[str])
    """Verb and kind of each write, as they came."""

    async def create_as_user(self, manifest: JsonObject) -> JsonObject:
        """Create past the record of the operator's own writes."""
        return await super().create(_with_creation_time(manifest))

    async def create(self, manifest: JsonObject) -> JsonObject:
        self._write("create", manifest["kind"])
        return await super().create(_with_creation_time(manifest))

    async def replace_status(self, manifest: JsonObject) -> JsonObject:
        self._write("update", manifest["kind"])
        return await super().replace_status(manifest)

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        self._write("patch", kind.kind)
        stored = self._found(kind, namespace, name)
        metadata = body.get("metadata", {})
        version = stored["metadata"]["resourceVersion"]
        if metadata.get("resourceVersion", version) != version:
            raise ApiError(409, "Conflict", "the object has been modified")
        changed = {**stored, "spec": {**stored.get("spec", {}), **body.get("spec", {})}}
        key = (kind.kind, namespace, name)
        generation = stored["metadata"]["generation"] + (changed["spec"] != stored.get("spec"))
        return await self._store("MODIFIED", key, changed, generation=generation)

    async def delete(
        self, kind: Kind, namespace: str, name: str, *, uid: str | None = None
    ) -> None:
        self._write("delete", kind.kind)
        stored = self._found(kind, namespace, name)
        if uid not in (None, stored["metadata"]["uid"]):
            raise ApiError(409, "Conflict", "the UID in the precondition is not the object's")
        await super().delete(kind, namespace, name)

    async def pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        metadata_only: bool = False,
    ) -> AsyncGenerator[tuple[list[JsonObject], str], None]:
        if refusal := self.refusals.get(f"list {kind.kind}"):
            raise refusal
        held = self.objects(kind.kind)
        if metadata_only:
            held = [{"metadata": raw["metadata"]} for raw in held]
        if label_selector:
            name, _, value = label_selector.partition("=")
            held = [raw for raw in held if raw["metadata"].get("labels", {}).get(name) == value]
        version = str(next(self._versions))
        yield held[:1], version
        yield held[1:], version

    async def list(
        self, kind: Kind, namespace: str | None = None, *, label_selector: str = ""
    ) -> tuple[list[JsonObject], str]:
        version, items = "", list[JsonObject]()
        async for page, version in self.pages(  # noqa: B007 - the last version is the list's
            kind, namespace, label_selector=label_selector
        ):
            items += page
        return items, version

    def _write(self, verb: str, kind: str) -> None:
        self.order.append(f"{verb} {kind}")
        if refusal := self.refusals.get(f"{verb} {kind}"):
            raise refusal


def _with_creation_time(manifest: JsonObject) -> JsonObject:
    metadata = {"creationTimestamp": "2026-11-23T12:00:00Z", **manifest["metadata"]}
    return {**manifest, "metadata": metadata}
