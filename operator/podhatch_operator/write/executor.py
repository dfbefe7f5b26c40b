"""Executes the plan of an object of any kind. What the API server returns goes into the cache.

Refusals are returned by the name of the refused object, so that the next plan reports them; any
other failure is raised.
"""

import asyncio
import base64
import logging
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import assert_never

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import source_name
from podhatch.api.pod import SOURCE_KEY
from podhatch.cluster import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    KINDS,
    ApiError,
    ClusterApi,
    Kind,
    kind_of,
)
from podhatch.core.common.plan import Apply, Create, Delete, Patch, ReplaceStatus, Write
from podhatch.core.common.refusal import ApiRefusal

from podhatch_operator.cache.cache import CHILDREN, Cache
from podhatch_operator.cache.store import place_of, version_of
from podhatch_operator.keys import Key
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.queue.workers import RetryLater
from podhatch_operator.watch.watched import WatchList
from podhatch_operator.write.creation import RunnerAccounts, create_or_adopt, refusal_of

logger = logging.getLogger(__name__)
FIELD_MANAGER = "podhatch-operator"
MAX_PARALLEL = 16
"""Objects that are created side by side, of all plans together."""
_PARTS_OF_RUNS = (*CHILDREN, CONTROLLER_REVISION)
"""Their run is reconciled again once its status is written."""
_KINDS = {kind.kind: kind for kind in KINDS.values()}


class Executor:
    """Executes the writes of plans."""

    def __init__(self, cluster: ClusterApi, watched: WatchList, cache: Cache, queue: Queue) -> None:
        self._cluster = cluster
        self._watched = watched
        self._cache = cache
        self._queue = queue
        self._accounts = RunnerAccounts(cluster)
        self._places = asyncio.Semaphore(MAX_PARALLEL)

    async def execute(self, namespace: str, writes: Sequence[Write]) -> dict[str, ApiRefusal]:
        """Carry out the writes: creations first, side by side, then all others in order.

        Raises:
            RetryLater: an object has changed since it was observed.
            ApiError: a write failed, and may succeed later.
        """
        manifests = [each.manifest for each in writes if isinstance(each, Create)]
        refusals = await self._create_all(manifests) if manifests else {}
        for write in writes:
            if isinstance(write, Create):
                continue
            try:
                await self._carry_out(namespace, write)
            except ApiError as error:
                if error.status == 409:
                    raise RetryLater(str(error)) from None
                if isinstance(write, Delete | ReplaceStatus):
                    raise
                refusals[_name(write)] = refusal_of(error)
        return refusals

    async def write_status(self, kind: Kind, raw: JsonObject, status: JsonObject) -> bool:
        """Replace the status of the object as it was observed. Return False if it is gone.

        Raises:
            RetryLater: the object has changed since.
        """
        metadata = {
            name: raw["metadata"][name] for name in ("name", "namespace", "resourceVersion")
        }
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        try:
            written = await self._cluster.replace_status(
                {**manifest, "status": status}, metadata_only=True
            )
        except ApiError as error:
            if error.status == 404:
                return await self._note_if_gone(kind, raw, error)
            if error.status == 409:
                raise RetryLater(str(error)) from None
            raise
        # All else is as it was observed, for the API server refuses the status of another version.
        version = written["metadata"]["resourceVersion"]
        metadata = {**raw["metadata"], "resourceVersion": version}
        self._cache.apply(kind, {**raw, "metadata": metadata, "status": status})
        return True

    async def _note_if_gone(self, kind: Kind, raw: JsonObject, refusal: ApiError) -> bool:
        """Remove the object from the cache if it was deleted. Return False.

        Raises:
            RetryLater: It is there, and its status is not: the CRD is older than this operator.
        """
        if await self._cluster.get_or_none(kind, *place_of(raw)) is None:
            self._cache.remove(kind, place_of(raw), version_of(raw))
            return False
        raise RetryLater(f"the status of a {kind.kind} cannot be written: {refusal.message}")

    async def _create_all(self, manifests: Sequence[JsonObject]) -> dict[str, ApiRefusal]:
        """Create the missing objects: revisions first, because Jobs must not exist without them.

        Manifests of one name follow each other: what a Job reads is there before the Job.
        """
        revisions = [item for item in manifests if item["kind"] == CONTROLLER_REVISION.kind]
        for refusal in (await self._create_in_order(revisions)).values():
            return {item["metadata"]["name"]: refusal for item in manifests}
        rest = [item for item in manifests if item["kind"] != CONTROLLER_REVISION.kind]
        names = [list(group) for _, group in groupby(rest, lambda item: item["metadata"]["name"])]
        if len(names) == 1:
            return await self._create_in_order(names[0])
        answers = await asyncio.gather(*map(self._create_in_turn, names), return_exceptions=True)
        refusals: dict[str, ApiRefusal] = {}
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            refusals |= answer
        return refusals

    async def _create_in_turn(self, manifests: Sequence[JsonObject]) -> dict[str, ApiRefusal]:
        async with self._places:
            return await self._create_in_order(manifests)

    async def _create_in_order(self, manifests: Iterable[JsonObject]) -> dict[str, ApiRefusal]:
        """Create one after the other, up to the first that is refused."""
        for manifest in manifests:
            refusal = await self._accounts.ensure_for(manifest) or await self._create(manifest)
            if refusal:
                return {manifest["metadata"]["name"]: refusal}
        return {}

    async def _create(self, manifest: JsonObject) -> ApiRefusal | None:
        stored = await create_or_adopt(self._cluster, manifest)
        if isinstance(stored, ApiRefusal):
            return stored
        if stored is not None:
            self._learn(kind_of(manifest), stored)
        return None

    async def _carry_out(
        self, namespace: str, write: Apply | Patch | ReplaceStatus | Delete
    ) -> None:
        match write:
            case Apply():
                stored = await self._cluster.apply(write.manifest, field_manager=FIELD_MANAGER)
                self._learn(kind_of(write.manifest), stored)
            case Patch():
                await self._patch(namespace, write)
            case ReplaceStatus():
                await self._replace_status(write.object)
            case Delete():
                await self._delete(_KINDS[write.kind], namespace, write.name)
            case _:
                assert_never(write)

    async def _patch(self, namespace: str, patch: Patch) -> None:
        kind = _KINDS[patch.kind]
        try:
            changed = await self._cluster.merge_patch(kind, namespace, patch.name, patch.body)
        except ApiError as error:
            if error.status == 404:
                return
            if error.status == 409 or not patch.is_optional:
                raise
            refusal_of(error)
            logger.warning("%s %s cannot be changed: %s", patch.kind, patch.name, error)
        else:
            self._learn(kind, changed)

    async def _replace_status(self, raw: JsonObject) -> None:
        """Write the status of an object that is not ours alone: all of it as it was observed."""
        kind = kind_of(raw)
        try:
            stored = await self._cluster.replace_status(raw)
        except ApiError as error:
            if error.status != 404:
                raise
            if self._cache.remove(kind, place_of(raw), version_of(raw)):
                self._enqueue(self._watched.keys(self._cache, kind, raw, is_gone=True))
        else:
            if self._cache.apply(kind, stored):
                self._enqueue(self._watched.keys(self._cache, kind, stored))

    async def _delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete the object, but not another one that has taken its name."""
        try:
            if kind is CONFIG_MAP:
                found = await self._cluster.get(CONFIG_MAP, namespace, name)
                if not _is_shipped_source(found):
                    return  # a workflow may refer to any ConfigMap
            else:
                found = self._cache.get(kind, (namespace, name))
            uid: str | None = found["metadata"]["uid"] if found else None
            await self._cluster.delete(kind, namespace, name, uid=uid)
        except ApiError as error:
            if error.status not in (404, 409):
                raise

    def _learn(self, kind: Kind, stored: JsonObject) -> None:
        """Cache what was written and enqueue its keys: the watch does not report it as a change."""
        if kind is CONFIG_MAP:
            return
        if self._cache.apply(kind, stored) and kind not in _PARTS_OF_RUNS:
            self._enqueue(self._watched.keys(self._cache, kind, stored))

    def _enqueue(self, keys: Iterable[Key]) -> None:
        for key in keys:
            self._queue.add(key)


def _name(write: Apply | Patch) -> str:
    return write.name if isinstance(write, Patch) else write.manifest["metadata"]["name"]


def _is_shipped_source(config_map: JsonObject) -> bool:
    """Return whether the SDK made a ConfigMap: anybody can write the label, so the name decides."""
    metadata = config_map["metadata"]
    if metadata.get("labels", {}).get(labels.MANAGED_BY) != labels.MANAGED_BY_VALUE:
        return False
    text: str = config_map.get("binaryData", {}).get(SOURCE_KEY, "")
    try:
        return metadata["name"] == source_name(base64.b64decode(text, validate=True))
    except ValueError:
        return False
