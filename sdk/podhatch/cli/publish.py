"""Brings the workflows of a user's code to the cluster. Called by run and deploy."""

from typing import Any, Literal

from podhatch.api.labels import CONTENT_HASH
from podhatch.cli.errors import Refused
from podhatch.client.explain import explained
from podhatch.client.session import FIELD_MANAGER, Session, session_of
from podhatch.client.starting.manifest import Manifest
from podhatch.client.starting.publishing import published
from podhatch.cluster import WORKFLOW, ApiError
from podhatch.runnables.workflow import Workflow

Change = Literal["created", "updated", "unchanged"]


def manifest(workflow: Workflow[Any]) -> Manifest:
    """Return the objects that make a workflow.

    Raises:
        Refused: It cannot be: the text names the field, or what cannot be shipped.
    """
    try:
        return workflow.manifest()
    except ValueError as error:
        raise Refused(str(error)) from None


async def publish_with_others(workflow: Workflow[Any]) -> None:
    """Publish the workflow and those defined beside it, which its tasks may run as children."""
    session = await session_of(workflow.target)
    await published(session, workflow.project.publication([workflow]))


async def change_of(session: Session, wanted: Manifest) -> Change:
    """Return what publishing the workflow will do."""
    with explained("Workflow", session.namespace, wanted.name):
        try:
            stored = await session.cluster.get(WORKFLOW, session.namespace, wanted.name)
        except ApiError as error:
            if error.status != 404 or f'"{wanted.name}"' not in error.message:
                raise
            return "created"
    annotations = stored["metadata"].get("annotations", {})
    return "unchanged" if annotations.get(CONTENT_HASH) == wanted.content_hash else "updated"


async def try_out(session: Session, wanted: Manifest) -> None:
    """Have the API server check the workflow, and change nothing."""
    metadata = {**wanted.workflow["metadata"], "namespace": session.namespace}
    document = {**wanted.workflow, "metadata": metadata}
    with explained("Workflow", session.namespace, wanted.name):
        await session.cluster.apply(document, field_manager=FIELD_MANAGER, dry_run=True)
