"""The ServiceAccounts of task pods, set up in each namespace that runs tasks which use them."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, ApiError, ClusterApi

REMEMBERED_SECONDS = 300.0
"""Someone may delete it: so often it is made sure again."""
OURS = (labels.REPORT_ACCOUNT, labels.SPAWN_ACCOUNT)


class RunnerAccount:
    """Makes sure that a namespace has an account, before the first pod that needs it."""

    def __init__(self, cluster: ClusterApi, clock: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._clock = clock
        self._ensured_at: dict[_Account, float] = {}
        self._locks: dict[_Account, asyncio.Lock] = {}

    async def ensure_for(self, manifest: JsonObject) -> None:
        """Create account and binding if the manifest is a Job whose pod uses them.

        Raises:
            ApiError: the operator may not, for example in a namespace that is being deleted.
        """
        if manifest["kind"] != JOB.kind:
            return
        name = manifest["spec"]["template"]["spec"].get("serviceAccountName")
        account = _Account(manifest["metadata"]["namespace"], name)
        if name not in OURS or self._is_remembered(account):
            return
        async with self._locks.setdefault(account, asyncio.Lock()):
            if not self._is_remembered(account):
                await self._create(account)

    async def _create(self, account: "_Account") -> None:
        for part in (account.service_account(), account.role_binding()):
            try:
                await self._cluster.create(part)
            except ApiError as error:
                if error.status != 409:
                    raise
        self._ensured_at[account] = self._clock()

    def _is_remembered(self, account: "_Account") -> bool:
        ensured_at = self._ensured_at.get(account)
        return ensured_at is not None and self._clock() - ensured_at < REMEMBERED_SECONDS


@dataclass(frozen=True)
class _Account:
    """One of our accounts in one namespace; role and binding have its name."""

    namespace: str
    name: str

    def service_account(self) -> JsonObject:
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": self._metadata()}

    def role_binding(self) -> JsonObject:
        group = "rbac.authorization.k8s.io"
        subject = {"kind": "ServiceAccount", "name": self.name, "namespace": self.namespace}
        return {
            "apiVersion": f"{group}/v1",
            "kind": "RoleBinding",
            "metadata": self._metadata(),
            "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": self.name},
            "subjects": [subject],
        }

    def _metadata(self) -> JsonObject:
        return {
            "name": self.name,
            "namespace": self.namespace,
            "labels": {labels.MANAGED_BY: labels.MANAGED_BY_VALUE},
        }
