"""`podhatch cancel`: ends runs."""

from typing import Annotated

import typer

from podhatch.api.run import WorkflowRun
from podhatch.cli import exits
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.completion import complete_run
from podhatch.cli.console import complain, say
from podhatch.cli.errors import exit_code, explain
from podhatch.cli.lookup import find_run
from podhatch.cli.place import Place
from podhatch.client.runs import control
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.cluster import ApiError, ClusterUnreachable
from podhatch.errors import PodhatchError

Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Names of runs; @latest for the newest.", autocompletion=complete_run
    ),
]


@command(app)
async def cancel(place: Place, runs: Runs) -> int:
    """Cancel runs: what has not ended ends now. A run that has ended stays as it is."""
    session = await session_of(place.target)
    problems: list[ApiError | PodhatchError] = []
    for given in runs:
        try:
            say(await _cancel(place, session, given))
        except ClusterUnreachable:
            raise
        except (ApiError, PodhatchError) as error:  # the other runs are meant all the same
            problems.append(error)
    for problem in problems:
        complain(f"error: {explain(problem)}")
    return exit_code(problems[0]) if problems else exits.SUCCEEDED


async def _cancel(place: Place, session: Session, given: str) -> str:
    """Cancel a run, and return what is to be said of it."""
    found = await find_run(session.cluster, session.namespace, given, certain=True)
    run = WorkflowRun.model_validate(found)
    name = run.metadata.name
    if run.finished and run.status is not None:
        return f"run {name} has ended already: {run.status.phase}"
    await control.cancel(place.target, name)
    return f"run {name} is cancelled"
