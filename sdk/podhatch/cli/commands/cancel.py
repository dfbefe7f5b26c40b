"""`podhatch cancel`: ends runs."""

from typing import Annotated

import typer

from podhatch.api.run import WorkflowRun
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.completion import complete_run
from podhatch.cli.lookup import find_run
from podhatch.cli.place import Place
from podhatch.client import control
from podhatch.client.session import session_of

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Names of runs; @latest for the newest.", autocompletion=complete_run
    ),
]


@command(app)
async def cancel(place: Place, runs: Runs) -> None:
    """Cancel runs: what has not ended ends now. A run that has ended stays as it is."""
    session = await session_of(place.target)
    for given in runs:
        found = await find_run(session.cluster, session.namespace, given)
        run = WorkflowRun.model_validate(found)
        name = run.metadata.name
        if run.finished and run.status is not None:
            print(f"run {name} has ended already: {run.status.phase}")
            continue
        await control.cancel(place.target, name)
        print(f"run {name} is cancelled")
