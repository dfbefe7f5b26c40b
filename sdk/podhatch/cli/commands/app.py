"""The app that holds the commands, and the options that may stand before a command's name."""

from importlib.metadata import version
from typing import Annotated

import typer

from podhatch.cli.options import Context, Kubeconfig, Namespace, NoColor
from podhatch.cli.place import Place
from podhatch.client.target import Target

app = typer.Typer(
    help="Start workflows and look after their runs. Works as `kubectl podhatch` too.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def group(name: str, summary: str) -> typer.Typer:
    """Return a new group of commands within the app."""
    commands = typer.Typer(help=summary, no_args_is_help=True)
    app.add_typer(commands, name=name)
    return commands


def own_version() -> str:
    """Return the name and version of this command."""
    return f"podhatch {version('podhatch')}"


def _show_version(wanted: bool) -> None:
    if wanted:
        print(own_version())
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version",
        help="Print the version of this command; `podhatch version` tells the operator's too.",
        is_eager=True,
        callback=_show_version,
    ),
]


@app.callback()
def before_command(
    ctx: typer.Context,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    no_color: NoColor = False,
    version: Version = False,  # noqa: ARG001 - its callback prints
) -> None:
    """Start workflows and look after their runs. Works as `kubectl podhatch` too."""
    ctx.obj = Place(Target(namespace, kubeconfig, context), no_color)
