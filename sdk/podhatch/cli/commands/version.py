"""`podhatch version`: of this command, and of what is installed in the cluster."""

from typing import Annotated

import typer

from podhatch.cli.command import command
from podhatch.cli.commands.app import app, own_version
from podhatch.cli.console import say
from podhatch.cli.place import Place
from podhatch.client.sessions import session_of
from podhatch.cluster import Kind

DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
SELECTOR = "app.kubernetes.io/name=podhatch"

ClientOnly = Annotated[bool, typer.Option("--client", help="Ask no cluster.")]


@command(app)
async def version(place: Place, client: ClientOnly = False) -> None:
    """Show the version of this command, and of the operator in the cluster."""
    say(own_version())
    if not client:
        say(f"operator {await _operator(place)}")


async def _operator(place: Place) -> str:
    session = await session_of(place.target)
    found, _ = await session.cluster.list(DEPLOYMENT, None, label_selector=SELECTOR)
    told = [
        f"{each['metadata']['labels'].get('app.kubernetes.io/version', 'of no known version')} in "
        f"namespace {each['metadata']['namespace']} (image "
        f"{each['spec']['template']['spec']['containers'][0]['image']})"
        for each in found
    ]
    return ", ".join(told) or "not installed: see `podhatch install --help`"
