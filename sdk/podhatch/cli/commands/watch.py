"""`podhatch watch`: a run while it goes on."""

from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.console import new_console
from podhatch.cli.exits import exit_code_of
from podhatch.cli.lookup import find_run
from podhatch.cli.options import Run
from podhatch.cli.place import Place
from podhatch.cli.show import watch_run
from podhatch.client.sessions import session_of


@command(app)
async def watch(place: Place, run: Run) -> int:
    """Show a run until it ends. The exit code is 1 if it failed, 4 if it was cancelled."""
    session = await session_of(place.target)
    raw = await find_run(session.cluster, session.namespace, run)
    console = new_console(no_color=place.no_color)
    return exit_code_of(await watch_run(console, session.cluster, raw))
