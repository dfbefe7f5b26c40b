"""Create, change and delete a run's children, as its plan says. Called by the reconciler.

An answer that refuses a child for good is handed back; any other failure is raised.
"""

import asyncio
import base64
import logging
from collections.abc import Sequence
from itertools import groupby

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
    NamespaceTerminating,
    kind_of,
)
from podhatch.core.common.plan import Delete, Patch
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.pod.pods import is_controlled_by
from podhatch.core.workflow.revision import is_intact

from podhatch_operator.cache.cache import Cache
from podhatch_operator.write.runner_account import RunnerAccount

logger = logging.getLogger(__name__)
REFUSED = (400, 403, 413, 422)
"""Trying again at once would be refused again: the user is told instead."""
TOO_LARGE = ("request is too large", "message larger than max")
"""What etcd says of an object that it cannot hold; the API server passes it on as its own error."""
WEBHOOK_IS_AWAY = "failed calling webhook"
"""What the API server says when an admission webhook does not answer: it may be back soon."""
MAX_PARALLEL = 16
"""Attempts that are created side by side, of all runs together."""
_KINDS = {kind.kind: kind for kind in KINDS.values()}


def is_refused(error: ApiError) -> bool:
    """Return whether the user has to be told, since trying again would be refused again."""
    if isinstance(error, NamespaceTerminating):
        return False  # the object to tell of it is deleted, too
    return error.status in REFUSED or _is_too_large(error)


def _is_too_large(error: ApiError) -> bool:
    return error.status == 500 and any(words in error.message for words in TOO_LARGE)


def _refusal(error: ApiError) -> ApiRefusal:
    """Return what to tell of an attempt that the API server did not accept.

    Raises:
        ApiError: any other failure.
    """
    if _is_too_large(error):
        return ApiRefusal(413, error.message)
    if is_refused(error) or (error.status == 500 and WEBHOOK_IS_AWAY in error.message):
        return ApiRefusal(error.status, error.message)
    raise error


class Children:
    """Writes children to the cluster, and what the cluster answers to the cache."""

    def __init__(self, cluster: ClusterApi, cache: Cache) -> None:
        self._cluster = cluster
        self._cache = cache
        self._account = RunnerAccount(cluster)
        self._places = asyncio.Semaphore(MAX_PARALLEL)

    async def create(
        self, run: JsonObject, manifests: Sequence[JsonObject]
    ) -> dict[str, ApiRefusal]:
        """Create what is not there, and return what the API server refused, by name.

        Revisions come first, for Jobs must not exist without them; the manifests of one attempt
        follow each other, and the attempts go side by side.
        """
        revisions = [item for item in manifests if item["kind"] == CONTROLLER_REVISION.kind]
        refusals = await self._create_in_order(run, revisions)
        for refusal in refusals.values():
            return {item["metadata"]["name"]: refusal for item in manifests}
        rest = [item for item in manifests if item["kind"] != CONTROLLER_REVISION.kind]
        attempts = [
            list(group) for _, group in groupby(rest, lambda item: item["metadata"]["name"])
        ]
        if len(attempts) == 1:
            return await self._create_in_order(run, attempts[0])
        return await self._create_side_by_side(run, attempts)

    async def patch(self, namespace: str, patches: Sequence[Patch]) -> None:
        """Change what is still there."""
        for patch in patches:
            kind = _KINDS[patch.kind]
            try:
                changed = await self._cluster.merge_patch(kind, namespace, patch.name, patch.body)
            except ApiError as error:
                if error.status == 404:
                    continue
                if not (patch.is_optional and is_refused(error)):
                    raise
                logger.warning("%s %s cannot be changed: %s", patch.kind, patch.name, error)
            else:
                self._cache.apply(kind, changed)

    async def delete(self, namespace: str, children: Sequence[Delete]) -> None:
        """Delete what is still there, and never what has taken its name meanwhile."""
        for child in children:
            try:
                if child.kind == CONFIG_MAP.kind:
                    await self._delete_shipped_source(namespace, child.name)
                else:
                    await self._delete(_KINDS[child.kind], namespace, child.name)
            except ApiError as error:
                if error.status not in (404, 409):
                    raise

    async def _delete(self, kind: Kind, namespace: str, name: str) -> None:
        known = self._cache.get(kind, (namespace, name))
        uid: str | None = known["metadata"]["uid"] if known else None
        await self._cluster.delete(kind, namespace, name, uid=uid)

    async def _delete_shipped_source(self, namespace: str, name: str) -> None:
        """A workflow may refer to any ConfigMap: only those that the SDK made are ours."""
        found = await self._cluster.get(CONFIG_MAP, namespace, name)
        metadata = found["metadata"]
        if _is_shipped_source(found):
            await self._cluster.delete(CONFIG_MAP, namespace, name, uid=metadata["uid"])

    async def _create_side_by_side(
        self, run: JsonObject, attempts: Sequence[Sequence[JsonObject]]
    ) -> dict[str, ApiRefusal]:
        async def create(attempt: Sequence[JsonObject]) -> dict[str, ApiRefusal]:
            async with self._places:
                return await self._create_in_order(run, attempt)

        refusals: dict[str, ApiRefusal] = {}
        answers = await asyncio.gather(*map(create, attempts), return_exceptions=True)
        for answer in answers:
            if isinstance(answer, BaseException):
                raise answer
            refusals |= answer
        return refusals

    async def _create_in_order(
        self, run: JsonObject, manifests: Sequence[JsonObject]
    ) -> dict[str, ApiRefusal]:
        """Create one after the other, up to the first that is refused."""
        for manifest in manifests:
            try:
                await self._account.ensure_for(manifest)
                refusal = await self._create(run, manifest)
            except ApiError as error:
                refusal = _refusal(error)
            if refusal:
                return {manifest["metadata"]["name"]: refusal}
        return {}

    async def _create(self, run: JsonObject, manifest: JsonObject) -> ApiRefusal | None:
        kind = kind_of(manifest)
        try:
            created = await self._cluster.create(manifest)
        except ApiError as error:
            if error.status != 409:
                raise
            return await self._adopt(run, manifest, kind)
        if kind is not CONFIG_MAP:
            self._cache.apply(kind, created)
        return None

    async def _adopt(self, run: JsonObject, manifest: JsonObject, kind: Kind) -> ApiRefusal | None:
        """Take what already exists for ours, if it is."""
        metadata = manifest["metadata"]
        existing = await self._cluster.get(kind, metadata["namespace"], metadata["name"])
        if "ownerReferences" in metadata and not is_controlled_by(existing, run):
            message = f"a {kind.kind} {metadata['name']} exists that is not this run's: delete it"
            return ApiRefusal(409, message)
        if kind is CONTROLLER_REVISION and not is_intact(existing):
            message = (
                f"a {kind.kind} {metadata['name']} exists that holds another workflow: delete it"
            )
            return ApiRefusal(409, message)
        if kind is not CONFIG_MAP:
            self._cache.apply(kind, existing)
        return None


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
