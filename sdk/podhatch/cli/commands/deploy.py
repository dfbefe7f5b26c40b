"""`podhatch deploy` publishes the workflows of a Hatchet; `podhatch render` prints them as YAML."""

import os
from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.api.labels import CONTENT_HASH
from podhatch.api.model import JsonObject
from podhatch.cli.app import app, command
from podhatch.cli.rendering.console import print_line, print_yaml
from podhatch.cli.source import find_workflows, manifest
from podhatch.client.manifest import Manifest
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.definitions.manifest.objects import IMAGE_VARIABLE

What = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:HATCHET",
        help="A Hatchet, such as orders.main:hatchet or flows.py:hatchet; or one workflow.",
    ),
]
Image = Annotated[
    str | None,
    typer.Option(
        help="Image with the code, for workflows that set none; without an image, the local source "
        "code is shipped.",
        envvar=IMAGE_VARIABLE,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Let the cluster validate everything, change nothing.")
]


@command(app)
def deploy(
    target: Target, what: What, image: Image = None, dry_run: DryRun = False
) -> Awaitable[None]:
    """Publish all workflows of a Hatchet, without starting a run."""
    _use_image(image)
    workflows = find_workflows(what, target)
    return _deploy(
        [(workflow.target, manifest(workflow)) for workflow in workflows], validate_only=dry_run
    )


async def _deploy(manifests: list[tuple[Target, Manifest]], *, validate_only: bool) -> None:
    for target, wanted in manifests:
        session = await session_of(target)
        stored = await session.stored(wanted)
        if validate_only:
            await session.write_workflow(wanted, stored, dry_run=True)
        else:
            await session.publish(wanted)
        suffix = " (dry run)" if validate_only else ""
        print_line(f"workflow {wanted.name} {_change(stored, wanted)}{suffix}")


def _change(stored: JsonObject | None, wanted: Manifest) -> str:
    """Return what publishing the workflow changes."""
    if stored is None:
        return "created"
    annotations = stored["metadata"].get("annotations", {})
    return "unchanged" if annotations.get(CONTENT_HASH) == wanted.content_hash else "updated"


@command(app)
def render(target: Target, what: What, image: Image = None) -> None:
    """Print all workflows of a Hatchet as YAML, for `kubectl apply --server-side -f -`.

    Needs no cluster. Workflows of the same code share one ConfigMap with it.
    """
    _use_image(image)
    manifests = [manifest(workflow) for workflow in find_workflows(what, target)]
    sources = {each.source["metadata"]["name"]: each.source for each in manifests if each.source}
    print_yaml([*sources.values(), *(each.workflow for each in manifests)])


def _use_image(image: str | None) -> None:
    """Set the default image of workflows."""
    if image:
        os.environ[IMAGE_VARIABLE] = image
