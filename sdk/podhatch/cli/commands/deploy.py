"""`podhatch deploy`: publishes all workflows of a Hatchet, as a pipeline does after the build."""

import os
from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.console import say
from podhatch.cli.definitions import find_workflows
from podhatch.cli.place import Place
from podhatch.cli.publish import change_of, manifest, try_out
from podhatch.client.manifest import Manifest
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.definitions.manifest.objects import IMAGE_VARIABLE

What = Annotated[
    str,
    typer.Argument(
        metavar="MODULE:HATCHET",
        help="Where the Hatchet is, such as orders.main:hatchet or flows.py:hatchet; or one "
        "workflow.",
    ),
]
Image = Annotated[
    str | None,
    typer.Option(
        help="Image that holds the code, for the workflows that name none; without it the code "
        "is shipped from here.",
        envvar=IMAGE_VARIABLE,
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Have the cluster check all, and change nothing.")
]


@command(app)
def deploy(
    place: Place, what: What, image: Image = None, dry_run: DryRun = False
) -> Awaitable[None]:
    """Publish all workflows of a Hatchet, without running any."""
    use_image(image)
    workflows = find_workflows(what, place)
    made = [(workflow.target, manifest(workflow)) for workflow in workflows]
    return _deploy(made, dry_run=dry_run)


async def _deploy(made: list[tuple[Target, Manifest]], *, dry_run: bool) -> None:
    for target, wanted in made:
        session = await session_of(target)
        change = await change_of(session, wanted)
        if dry_run:
            await try_out(session, wanted)
        else:
            await session.publish(wanted)
        tense = " (dry run)" if dry_run else ""
        say(f"workflow {wanted.name} {change}{tense}")


def use_image(image: str | None) -> None:
    """Let workflows that name no image of their own have this one."""
    if image:
        os.environ[IMAGE_VARIABLE] = image
