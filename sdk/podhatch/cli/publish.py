"""Brings the workflows of a user's code to the cluster. Called by run and deploy."""

from typing import Any, Literal

from podhatch.api.labels import CONTENT_HASH
from podhatch.cli.errors import Refused
from podhatch.client.manifest import Manifest
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.workflows import published
from podhatch.definitions.workflow import Workflow

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
    stored = await session.stored(wanted)
    if stored is None:
        return "created"
    annotations = stored["metadata"].get("annotations", {})
    return "unchanged" if annotations.get(CONTENT_HASH) == wanted.content_hash else "updated"


async def try_out(session: Session, wanted: Manifest) -> None:
    """Have the API server check the workflow, and change nothing."""
    await session.write_workflow(wanted, await session.stored(wanted), dry_run=True)
