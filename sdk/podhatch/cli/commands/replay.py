"""`podhatch replay`: lets a run start over."""

from typing import Annotated

import typer

from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.console import new_console, say
from podhatch.cli.exits import exit_code_of
from podhatch.cli.lookup import find_run
from podhatch.cli.options import Run
from podhatch.cli.place import Place
from podhatch.cli.show import watch_run
from podhatch.client.runs import control
from podhatch.client.sessions import session_of

FailedOnly = Annotated[
    bool, typer.Option("--failed-only", help="Tasks that succeeded keep their outputs.")
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show the run until it ends.")]


@command(app)
async def replay(
    place: Place, run: Run, failed_only: FailedOnly = False, watch: Watch = False
) -> int | None:
    """Let a run start over, under the same name, on the same input and workflow."""
    session = await session_of(place.target)
    found = await find_run(session.cluster, session.namespace, run, certain=True)
    name = str(found["metadata"]["name"])
    started = await control.replay(place.target, name, failed_only=failed_only)
    if not watch:
        say(f"run {name} starts over")
        return None
    console = new_console(no_color=place.no_color)
    return exit_code_of(await watch_run(console, session.cluster, started))
