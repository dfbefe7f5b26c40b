"""The ServiceAccount by which task pods report, set up in each namespace that runs tasks."""

import asyncio
import time
from collections.abc import Callable

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, ApiError, Cluster

REMEMBERED_SECONDS = 300.0
"""Someone may delete it: so often it is made sure again."""


class RunnerAccount:
    """Makes sure that a namespace has the account, before the first pod that needs it."""

    def __init__(self, cluster: Cluster, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ensured_at: dict[str, float] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def ensure_for(self, manifest: JsonObject) -> None:
        """Create account and binding if the manifest is a Job whose pod uses them.

        Raises:
            ApiError: the operator may not, for example in a namespace that is being deleted.
        """
        if manifest["kind"] != JOB.kind:
            return
        account = manifest["spec"]["template"]["spec"].get("serviceAccountName")
        namespace: str = manifest["metadata"]["namespace"]
        if account != labels.RUNNER_SERVICE_ACCOUNT or self._is_remembered(namespace):
            return
        async with self._locks.setdefault(namespace, asyncio.Lock()):
            if not self._is_remembered(namespace):
                await self._create(namespace)

    async def _create(self, namespace: str) -> None:
        for part in (_service_account(namespace), _role_binding(namespace)):
            try:
                await self._cluster.create(part)
            except ApiError as error:
                if error.status != 409:
                    raise
        self._ensured_at[namespace] = self._clock()

    def _is_remembered(self, namespace: str) -> bool:
        ensured_at = self._ensured_at.get(namespace)
        return ensured_at is not None and self._clock() - ensured_at < REMEMBERED_SECONDS


def _metadata(namespace: str) -> JsonObject:
    return {
        "name": labels.RUNNER_SERVICE_ACCOUNT,
        "namespace": namespace,
        "labels": {labels.MANAGED_BY: labels.MANAGED_BY_VALUE},
    }


def _service_account(namespace: str) -> JsonObject:
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _metadata(namespace)}


def _role_binding(namespace: str) -> JsonObject:
    group = "rbac.authorization.k8s.io"
    name = labels.RUNNER_SERVICE_ACCOUNT
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": _metadata(namespace),
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": namespace}],
    }
