"""Publishes a worker's workflows and its lifespan, and publishes again what was deleted.

`Worker.start()` imports it, since it needs pydantic and the cluster.
"""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from podhatch.api.labels import API_VERSION
from podhatch.api.model import JsonObject
from podhatch.client.explain import explained
from podhatch.client.manifest import Manifest, Publication
from podhatch.client.session import WORKER_FIELD_MANAGER
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.client.workflows import published
from podhatch.cluster import WORKFLOW
from podhatch.definitions.manifest.source import is_installed, locate
from podhatch.definitions.workflow import Workflow


@dataclass(frozen=True)
class Registration:
    """One workflow, as the cluster should hold it."""

    target: Target
    name: str
    publication: Publication
    """The workflow, and what its `Hatchet` defines beside it: a task may run it as a child."""
    lifespan: str | None
    """Where the pods find the lifespan's function."""

    async def publish(self) -> None:
        """Publish the workflow and its lifespan where the cluster does not hold them."""
        session = await session_of(self.target)
        await published(session, self.publication)
        cluster, namespace = session.cluster, session.namespace
        with explained("Workflow", namespace, self.name):
            stored = await cluster.get(WORKFLOW, namespace, self.name)
            if stored["spec"].get("lifespan") != self.lifespan:
                await cluster.apply(self._owned(namespace), field_manager=WORKER_FIELD_MANAGER)

    def _owned(self, namespace: str) -> JsonObject:
        return {
            "apiVersion": API_VERSION,
            "kind": "Workflow",
            "metadata": {"name": self.name, "namespace": namespace},
            "spec": {"lifespan": self.lifespan} if self.lifespan else {},
        }


def registration_of(workflow: Workflow[Any]) -> Registration:
    """Return what is to be published of a workflow."""
    manifest, lifespan = workflow.manifest(), workflow.lifespan
    publication = workflow.project.publication([workflow])
    place = _place(workflow, manifest, lifespan) if lifespan is not None else None
    return Registration(workflow.target, manifest.name, publication, place)


async def publish(registrations: Sequence[Registration]) -> None:
    """Publish all of them."""
    await asyncio.gather(*(each.publish() for each in registrations))


async def publish_missing(registrations: Sequence[Registration]) -> list[str]:
    """Publish again what is gone from the cluster, and return its names.

    One list of names for each namespace. A workflow that somebody else has published in another
    version stays: two programs that correct each other would never end.
    """
    by_target: defaultdict[Target, list[Registration]] = defaultdict(list)
    for each in registrations:
        by_target[each.target].append(each)
    missing: list[Registration] = []
    for target, wanted in by_target.items():
        session = await session_of(target)
        with explained("Workflow", session.namespace, wanted[0].name):
            found, _ = await session.cluster.list(WORKFLOW, session.namespace, metadata_only=True)
        names = {str(item["metadata"]["name"]) for item in found}
        gone = [each for each in wanted if each.name not in names]
        for each in gone:
            session.forget(each.name)
        missing += gone
    await publish(missing)
    return [each.name for each in missing]


def _place(workflow: Workflow[Any], manifest: Manifest, lifespan: Callable[..., object]) -> str:
    """Return where the pods find the function, which must travel with the tasks' code."""
    found = locate("the lifespan", lifespan)
    roots = {locate(task.subject, task.fn).root for task in workflow.all_tasks}
    shipped = found.root is not None and not is_installed(found.root)
    if manifest.source is not None and shipped and found.root not in roots:
        raise ValueError(
            f"workflow {workflow.name!r}: lifespan: its function is in the folder {found.root}, "
            "which is not shipped with the tasks: move it beside them, or build an image"
        )
    return found.python
