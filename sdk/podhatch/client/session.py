"""One cluster as this process knows it: the connection, and the workflows it already holds.

Lives in the background loop. Every error of the API server leaves it as a sentence for the user.
"""

import asyncio
import os
import secrets
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import TypeVar

from podhatch.api.labels import CONTENT_HASH
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.names import short_hash
from podhatch.api.pod import RUN_UID, TASK
from podhatch.api.workflow import PAUSE_FIELDS
from podhatch.client.explain import explained
from podhatch.client.manifest import Manifest
from podhatch.client.waiting import Followers
from podhatch.cluster import WORKFLOW, WORKFLOW_RUN, ApiError, ClusterApi, Kind

T = TypeVar("T")

FIELD_MANAGER = "podhatch-sdk"
WORKER_FIELD_MANAGER = "podhatch-worker"
"""Owns spec.lifespan alone: a program that runs the workflow knows no worker, and leaves it."""
CONFLICTS = 10
"""How often an object is written while others write it too."""
MAX_READING = 16
CLIENT_LENGTH = 12


class Session:
    """A connection to one cluster and namespace."""

    def __init__(self, cluster: ClusterApi, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        """Where workflows and runs belong."""
        self.client = _client()
        """Value of the label that all runs of this session have; in a task's pod it is the same in
        every attempt."""
        self.followers = Followers(cluster, namespace, self.client)
        """Those who wait for the end of runs."""
        self.changed: set[str] = set()
        """Names of runs that this process has cancelled or replayed: what it knew of them before is
        out of date."""
        self.refused: set[str] = set()
        """Content hashes of workflows that could not be published, and were warned of."""
        self.true_names: dict[str, str] = {}
        """The names of workflows as their authors wrote them, by those of their objects."""
        self.durable_tasks: dict[str, frozenset[str]] = {}
        """The durable tasks of each revision by its name: a revision does not change."""
        self.reading = asyncio.Semaphore(MAX_READING)
        """Held by those who fetch a long output: so many at a time."""
        self.finding = asyncio.Semaphore(MAX_READING)
        """Held by those who fetch a run that has ended, likewise."""
        self._user: str | None = None
        self._published: dict[str, tuple[str, int]] = {}
        """Content hash and generation of the workflows applied or found, by name."""
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._sequence = 0

    async def publish(self, manifest: Manifest) -> int:
        """See to it that the cluster holds the workflow, and return its generation.

        What this process has published once is not looked at again.
        """
        async with self._locks[manifest.name]:
            known = self._published.get(manifest.name)
            if known is None or known[0] != manifest.content_hash:
                stored = await self._publish(manifest)
                known = manifest.content_hash, int(stored["metadata"]["generation"])
                self._published[manifest.name] = known
            return known[1]

    def wrote(self, workflow: ObjectMeta) -> None:
        """Remember that this process has changed a workflow: runs that it creates are of this one.

        The operator waits until it has seen that, so a run does not start just after a pause.
        """
        if known := self._published.get(workflow.name):
            self._published[workflow.name] = known[0], workflow.generation

    def next_sequence(self) -> int:
        """Return a number for a new run: it grows with time, and with each run of this session."""
        self._sequence = max(self._sequence + 1, time.time_ns() // 1000)
        return self._sequence

    def forget(self, workflow: str) -> None:
        """Look at the workflow again when it is published next: the cluster may have lost it."""
        self._published.pop(workflow, None)

    async def create(self, manifest: JsonObject) -> JsonObject:
        """Create the object in this session's namespace."""
        with self._explained(manifest):
            return await self.cluster.create(self._placed(manifest))

    async def create_once(self, manifest: JsonObject) -> JsonObject | None:
        """Create the object, or return None if there is one of its name."""
        with self._explained(manifest):
            try:
                return await self.cluster.create(self._placed(manifest))
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                return None

    async def user(self) -> str:
        """Return the name by which the API server knows this process; nothing if it does not say.

        It is asked once.
        """
        if self._user is None:
            try:
                self._user = await self.cluster.user()
            except ApiError:
                self._user = ""
        return self._user

    async def get_run(self, name: str) -> JsonObject:
        """Return the run as the cluster holds it."""
        with explained("WorkflowRun", self.namespace, name):
            return await self.cluster.get(WORKFLOW_RUN, self.namespace, name)

    async def write_workflow(
        self, manifest: Manifest, stored: JsonObject | None, *, dry_run: bool = False
    ) -> JsonObject:
        """Have the cluster hold the workflow in place of the `stored` one, and return it.

        What others wrote of its spec is gone then, but for a pause and the lifespan of a worker:
        two programs' halves make no workflow.
        """
        known = [stored]

        async def put() -> JsonObject:
            before = known.pop() if known else await self.stored(manifest)
            return await self._put(manifest.workflow, before, dry_run=dry_run)

        return await self.retry_on_conflict(WORKFLOW, manifest.name, put)

    async def retry_on_conflict(
        self, kind: Kind, name: str, change: Callable[[], Awaitable[T]]
    ) -> T:
        """Return what `change` returns; it is called again while others write the object too.

        It reads the object, decides, and writes with the resourceVersion it has read.
        """
        tries = 0
        while True:
            tries += 1
            with explained(kind.kind, self.namespace, name):
                try:
                    return await change()
                except ApiError as error:
                    if error.reason not in ("AlreadyExists", "Conflict") or tries == CONFLICTS:
                        raise

    async def _put(
        self, workflow: JsonObject, stored: JsonObject | None, *, dry_run: bool
    ) -> JsonObject:
        document = self._placed(workflow)
        if stored is None:
            return await self.cluster.create(document, dry_run=dry_run)
        metadata = {**stored["metadata"], **document["metadata"]}
        for name in ("annotations", "labels"):
            metadata[name] = {**stored["metadata"].get(name, {}), **metadata.get(name, {})}
        names = [*PAUSE_FIELDS, *(["lifespan"] if _is_of_worker(stored) else [])]
        kept = {name: stored["spec"][name] for name in names if name in stored["spec"]}
        document = {**document, "metadata": metadata, "spec": {**kept, **document["spec"]}}
        return await self.cluster.replace(document, field_manager=FIELD_MANAGER, dry_run=dry_run)

    async def _publish(self, manifest: Manifest) -> JsonObject:
        stored = await self.stored(manifest)
        if manifest.source is not None:
            await self.create_once(manifest.source)
        if stored is not None and _hash_of(stored) == manifest.content_hash:
            return stored
        return await self.write_workflow(manifest, stored)

    async def stored(self, manifest: Manifest) -> JsonObject | None:
        """Return the workflow of this name as the cluster holds it, if it does."""
        with self._explained(manifest.workflow):
            try:
                return await self.cluster.get(WORKFLOW, self.namespace, manifest.name)
            except ApiError as error:
                if not error.is_missing(manifest.name):
                    raise
                return None

    def _explained(self, manifest: JsonObject) -> AbstractContextManager[None]:
        return explained(manifest["kind"], self.namespace, manifest["metadata"]["name"])

    def _placed(self, manifest: JsonObject) -> JsonObject:
        return {**manifest, "metadata": {**manifest["metadata"], "namespace": self.namespace}}


def _client() -> str:
    uid = os.environ.get(RUN_UID)
    identity = f"{uid}/{os.environ.get(TASK)}" if uid else secrets.token_hex(16)
    return short_hash(identity, CLIENT_LENGTH)


def _hash_of(workflow: JsonObject) -> str | None:
    return workflow["metadata"].get("annotations", {}).get(CONTENT_HASH)


def _is_of_worker(workflow: JsonObject) -> bool:
    """Return whether a worker has given the workflow its lifespan."""
    return any(
        each["manager"] == WORKER_FIELD_MANAGER and "f:lifespan" in each["fieldsV1"]["f:spec"]
        for each in workflow["metadata"].get("managedFields", ())
        if "f:spec" in each.get("fieldsV1", {})
    )
