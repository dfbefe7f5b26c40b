"""Options that commands share, the global options, and the completion of names by the shell.

Global options stand before the command's name or after it, as with kubectl; the one after it wins.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, cast

import typer

from podhatch.cli.lookup import LATEST
from podhatch.client import background_loop
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import CRON_WORKFLOW, WORKFLOW, WORKFLOW_RUN, Kind

COMPLETION_SECONDS = 2.0
"""After this time the shell completes nothing, instead of seeming to hang."""


def global_target(ctx: typer.Context) -> Target:
    """Return the cluster and namespace in the command's options, or in those before its name."""
    own = Target(*(ctx.params.get(name) for name in Target._fields))
    outer = cast("object", ctx.find_root().obj)
    return with_defaults(own, outer) if isinstance(outer, Target) else own


def with_defaults(target: Target, defaults: Target) -> Target:
    """Return the target, with the defaults where it is unset."""
    return Target(*(own or default for own, default in zip(target, defaults, strict=True)))


def completion(kind: Kind, *extra: str) -> Callable[[typer.Context, str], list[str]]:
    """Return a function that completes the names of a kind, the newest first."""

    async def names(target: Target) -> list[str]:
        session = await session_of(target)
        rows = await session.cluster.rows(kind, session.namespace)
        rows.sort(key=lambda row: str(row.get("Created", "")), reverse=True)
        return [str(row["Name"]) for row in rows]

    def complete(ctx: typer.Context, incomplete: str) -> list[str]:
        try:
            found = background_loop.wait(
                asyncio.wait_for(names(global_target(ctx)), COMPLETION_SECONDS)
            )
        except Exception:  # an error message would disturb the shell's prompt
            found = []
        return [name for name in (*extra, *found) if name.startswith(incomplete)]

    return complete


complete_run = completion(WORKFLOW_RUN, LATEST)
complete_workflow = completion(WORKFLOW)
complete_cron = completion(CRON_WORKFLOW)


class Format(StrEnum):
    """How objects are printed for programs."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Run = Annotated[
    str,
    typer.Argument(metavar="RUN", help="Name of a run, or @latest.", autocompletion=complete_run),
]
Workflow = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW", help="Name of a workflow.", autocompletion=complete_workflow
    ),
]
Namespace = Annotated[
    str | None,
    typer.Option(
        "--namespace", "-n", help="Namespace to use; by default the namespace of the context."
    ),
]
AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="List objects of all namespaces.")
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(help="Path of the kubeconfig; by default $KUBECONFIG or ~/.kube/config."),
]
Context = Annotated[
    str | None, typer.Option(help="Context in the kubeconfig; by default its current context.")
]
Output = Annotated[
    Format | None,
    typer.Option("--output", "-o", help="Print whole objects, or their names, for programs."),
]
NoColor = Annotated[
    bool, typer.Option("--no-color", help="Do not print colours; NO_COLOR does the same.")
]
Input = Annotated[
    str | None,
    typer.Option("--input", "-i", metavar="JSON", help="A JSON object, @FILE, or - for stdin."),
]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "--parameter",
        "-p",
        metavar="KEY=VALUE",
        help="One field of the input, as JSON or a string; repeatable.",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", "-m", metavar="KEY=VALUE", help="Additional metadata; repeatable."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only objects created since: 30m, 1h30m, 7d or ISO 8601."),
]
DEFAULT_LIMIT = 50
Limit = Annotated[
    int | None,
    typer.Option(
        min=1,
        help=f"Show at most this many, the newest; by default {DEFAULT_LIMIT}, and all with -o.",
    ),
]
Priority = Annotated[
    int | None,
    typer.Option(min=1, max=3, help="1 (low) to 3 (high); by default the workflow's priority."),
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show the run until it ends.")]
