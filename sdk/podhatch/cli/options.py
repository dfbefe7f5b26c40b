"""The options and arguments that several commands share, as typer reads them."""

from enum import StrEnum
from typing import Annotated

import typer

from podhatch.cli.completion import complete_run, complete_workflow


class Format(StrEnum):
    """How an object is written out for programs."""

    JSON = "json"
    YAML = "yaml"
    NAME = "name"


Run = Annotated[
    str,
    typer.Argument(
        metavar="RUN",
        help="Name of a run; @latest for the newest one.",
        autocompletion=complete_run,
    ),
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
        "--namespace", "-n", help="Where to look; by default the namespace of the context."
    ),
]
AllNamespaces = Annotated[
    bool, typer.Option("--all-namespaces", "-A", help="Look in all namespaces.")
]
Kubeconfig = Annotated[
    str | None,
    typer.Option(help="Path of the kubeconfig; by default $KUBECONFIG or ~/.kube/config."),
]
Context = Annotated[
    str | None, typer.Option(help="Context in the kubeconfig; by default its current one.")
]
Output = Annotated[
    Format | None,
    typer.Option("--output", "-o", help="Print whole objects, or names, for programs."),
]
NoColor = Annotated[
    bool, typer.Option("--no-color", help="Print without colours; NO_COLOR does the same.")
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
        help="One field of the input, as JSON or text; repeatable.",
    ),
]
Metadata = Annotated[
    list[str] | None,
    typer.Option("--metadata", "-m", metavar="KEY=VALUE", help="Additional metadata; repeatable."),
]
Since = Annotated[
    str | None,
    typer.Option(metavar="TIME", help="Only those made since: 30m, 2h, 7d or an ISO time."),
]
DEFAULT_LIMIT = 50
Limit = Annotated[
    int | None,
    typer.Option(
        min=1, help=f"At most so many, the newest; by default {DEFAULT_LIMIT}, and all with -o."
    ),
]
Priority = Annotated[
    int | None, typer.Option(min=1, max=3, help="1 (low) to 3 (high); by default the workflow's.")
]
