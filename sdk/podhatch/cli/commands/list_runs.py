"""`podhatch list`: runs, newest first."""

from typing import Annotated

import typer

from podhatch.api.names import object_name
from podhatch.api.run import Phase, WorkflowRun
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.completion import complete_workflow
from podhatch.cli.console import list_object, look_for, new_console, now, print_raw
from podhatch.cli.errors import WrongUsage, did_you_mean
from podhatch.cli.names import given_name
from podhatch.cli.objects import limit_of, say_more, say_none
from podhatch.cli.options import AllNamespaces, Limit, Metadata, Output, Since
from podhatch.cli.place import Place
from podhatch.cli.selection import PHASES, Selection, find_runs
from podhatch.cli.table import RunTable
from podhatch.cli.values import moment, pairs
from podhatch.client.sessions import session_of
from podhatch.cluster import WORKFLOW

OfWorkflow = Annotated[
    str | None,
    typer.Option(
        "--workflow", help="Only runs of this workflow.", autocompletion=complete_workflow
    ),
]
Status = Annotated[
    list[str] | None,
    typer.Option(
        "--status", "-s", help=f"Only runs in this phase; repeatable: {', '.join(PHASES)}."
    ),
]


@command(app, "list")
async def list_runs(
    place: Place,
    workflow: OfWorkflow = None,
    status: Status = None,
    since: Since = None,
    metadata: Metadata = None,
    limit: Limit = None,
    all_namespaces: AllNamespaces = False,
    output: Output = None,
) -> None:
    """Show runs, newest first: the last 50, and all of them with -o."""
    selection = Selection(
        workflow=None if workflow is None else _object_name(workflow),
        phases=tuple(_phase(text) for text in status or ()),
        since=moment("--since", since, now(), past=True) if since else None,
        metadata=pairs("--metadata", metadata),
    )
    session = await session_of(place.target)
    namespace = None if all_namespaces else session.namespace
    found = await find_runs(session.cluster, namespace, selection, limit_of(limit, output))
    if output is not None:
        print_raw(list_object(found.runs), output)
    elif found.runs:
        console = new_console(no_color=place.no_color)
        runs = [WorkflowRun.model_validate(run) for run in found.runs]
        console.print(RunTable(runs, now(), look_for(console), with_namespace=all_namespaces))
        say_more(found.older, len(runs))
    else:
        such = "no such runs" if selection != Selection() else "no runs"
        await say_none(session, such, all_namespaces=all_namespaces)


def _object_name(workflow: str) -> str:
    return object_name(given_name(WORKFLOW, workflow))


def _phase(text: str) -> Phase:
    for phase in PHASES:
        if phase.lower() == text.lower():
            return phase
    raise WrongUsage(
        f"--status {text!r}: it is one of {', '.join(PHASES)}{did_you_mean(text, PHASES)}"
    )
