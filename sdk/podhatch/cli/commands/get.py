"""`podhatch get`: a run as a tree of its tasks."""

from podhatch.api.run import WorkflowRun
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.console import new_console, print_raw
from podhatch.cli.lookup import find_run
from podhatch.cli.options import Output, Run
from podhatch.cli.place import Place
from podhatch.cli.show import print_run
from podhatch.client.sessions import session_of


@command(app)
async def get(place: Place, run: Run, output: Output = None) -> None:
    """Show a run: its tasks with states, times and reasons, and its child runs."""
    session = await session_of(place.target)
    raw = await find_run(session.cluster, session.namespace, run)
    if output is not None:
        print_raw(raw, output)
        return
    console = new_console(no_color=place.no_color)
    await print_run(console, session.cluster, WorkflowRun.model_validate(raw))
