"""Create an object: 409 is success if the object there is ours, and a refusal is handed back."""

import asyncio
import time
from collections.abc import Callable

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONTROLLER_REVISION,
    CRON_JOB,
    JOB,
    ROLE_BINDING,
    SERVICE_ACCOUNT,
    WORKFLOW_RUN,
    ApiError,
    ClusterApi,
    NamespaceTerminating,
    kind_of,
)
from podhatch.core.common.idempotency import cause_of
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.pod.pods import controller_uid
from podhatch.core.workflow.revision import is_intact

from podhatch_operator.cache.store import Place

REFUSED = (400, 403, 413, 422)
"""A retry would be refused again: the refusal is reported to the user instead."""
TOO_LARGE = ("request is too large", "message larger than max")
"""How etcd refuses an object that is too large; the API server returns it as a 500."""
WEBHOOK_IS_AWAY = "failed calling webhook"
"""How the API server reports an admission webhook that does not answer; it may be back soon."""
REMEMBERED_SECONDS = 300.0
"""How long an account is not created again. Someone may have deleted it."""
ACCOUNTS = (labels.REPORT_ACCOUNT, labels.SPAWN_ACCOUNT)
_SHARED = (SERVICE_ACCOUNT, ROLE_BINDING)
"""One object serves all runs of a namespace, and the operator may not read it."""
_WATCHED_BY_LABEL = (CONTROLLER_REVISION, CRON_JOB, JOB)
"""The operator does not see one that lost its labels."""


def refusal_of(error: ApiError) -> ApiRefusal:
    """Return the refusal to report to the user for a write that the API server did not accept.

    Raises:
        ApiError: any other failure; also the refusal of a namespace that is being deleted, because
            the object that would report it is deleted too.
    """
    if isinstance(error, NamespaceTerminating):
        raise error
    if error.status == 500 and any(words in error.message for words in TOO_LARGE):
        return ApiRefusal(413, error.message)
    is_away = error.status == 500 and WEBHOOK_IS_AWAY in error.message
    if error.status in REFUSED or is_away:
        return ApiRefusal(error.status, error.message)
    raise error


async def create_or_adopt(
    cluster: ClusterApi, manifest: JsonObject
) -> JsonObject | ApiRefusal | None:
    """Return the object as it is stored, or why the API server or its owner refuses it.

    None: it exists, and is either shared or was deleted a moment ago.

    Raises:
        ApiError: the API server did not answer as expected.
    """
    kind = kind_of(manifest)
    try:
        return await cluster.create(manifest)
    except ApiError as error:
        if error.status != 409:
            return refusal_of(error)
    if kind in _SHARED:
        return None
    metadata = manifest["metadata"]
    try:
        existing = await cluster.get(kind, metadata["namespace"], metadata["name"])
    except ApiError as error:
        if error.status == 404 and kind is WORKFLOW_RUN:
            return None
        raise
    if problem := _foreign(existing, manifest):
        return ApiRefusal(409, problem)
    wanted: JsonObject = metadata.get("labels", {})
    has_labels = wanted.items() <= existing["metadata"].get("labels", {}).items()
    if has_labels or kind not in _WATCHED_BY_LABEL:
        return existing
    try:
        return await label_again(cluster, existing, wanted)
    except ApiError as error:
        return refusal_of(error)


async def label_again(cluster: ClusterApi, existing: JsonObject, wanted: JsonObject) -> JsonObject:
    """Label an object again, so that the operator sees it."""
    metadata = existing["metadata"]
    body = {"metadata": {"labels": wanted, "uid": metadata["uid"]}}
    return await cluster.merge_patch(
        kind_of(existing), metadata["namespace"], metadata["name"], body
    )


def _foreign(existing: JsonObject, manifest: JsonObject) -> str | None:
    """Return why the existing object is not the wanted one: another client may have created it."""
    kind, metadata = manifest["kind"], manifest["metadata"]
    owner = controller_uid(manifest)
    there = f"a {kind} {metadata['name']} exists"
    if owner is not None and controller_uid(existing) != owner:
        [of] = metadata["ownerReferences"]
        return f"{there} that does not belong to {of['kind']} {of['name']}: delete it"
    as_ours = {**manifest, "data": existing.get("data", {})}
    if kind == CONTROLLER_REVISION.kind and not is_intact(as_ours):
        return f"{there} that holds another workflow: delete it"
    if kind == WORKFLOW_RUN.kind and cause_of(existing["spec"]) != cause_of(manifest["spec"]):
        return f"{there} that something else started: delete it"
    return None


class RunnerAccounts:
    """The ServiceAccounts of task pods, created in each namespace before its first such pod."""

    def __init__(self, cluster: ClusterApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ensured_at: dict[Place, float] = {}
        self._locks: dict[Place, asyncio.Lock] = {}

    async def ensure_for(self, manifest: JsonObject) -> ApiRefusal | None:
        """Create account and binding if the manifest is a Job whose pod uses them."""
        if manifest["kind"] != JOB.kind:
            return None
        name = manifest["spec"]["template"]["spec"].get("serviceAccountName")
        account = manifest["metadata"]["namespace"], name
        if name not in ACCOUNTS or self._is_remembered(account):
            return None
        async with self._locks.setdefault(account, asyncio.Lock()):
            return None if self._is_remembered(account) else await self._create(account)

    async def _create(self, account: Place) -> ApiRefusal | None:
        for part in _account_and_binding(*account):
            created = await create_or_adopt(self._cluster, part)
            if isinstance(created, ApiRefusal):
                return created
        self._ensured_at[account] = self._clock()
        return None

    def _is_remembered(self, account: Place) -> bool:
        ensured_at = self._ensured_at.get(account)
        return ensured_at is not None and self._clock() - ensured_at < REMEMBERED_SECONDS


def _account_and_binding(namespace: str, name: str) -> tuple[JsonObject, JsonObject]:
    """Return one of our accounts in a namespace, and its binding to the role of the same name."""
    group = "rbac.authorization.k8s.io"
    managed = {labels.MANAGED_BY: labels.MANAGED_BY_VALUE}
    metadata = {"name": name, "namespace": namespace, "labels": managed}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}, {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
