"""`podhatch install`: the one helm command that installs the operator, from the chart beside us."""

import asyncio
import os
import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

import podhatch
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.errors import Refused
from podhatch.cli.place import Place

RELEASE = "podhatch"
NAMESPACE = "podhatch-system"

OperatorNamespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help=f"Where the operator runs; by default {NAMESPACE}."),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A value of the chart.")
]
Values = Annotated[list[str] | None, typer.Option("--values", "-f", help="A file of values.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print the helm command, and do nothing.")]


@command(app, namespace=OperatorNamespace)
async def install(
    place: Place, set: Set = None, values: Values = None, dry_run: DryRun = False
) -> int | None:
    """Install the operator with helm, or bring it to this version; by default to podhatch-system.

    The definitions of Workflow, WorkflowRun and so on come with it.
    """
    words = helm_command(place, set or [], values or [])
    if dry_run:
        print(shlex.join(words))
        return None
    if shutil.which(words[0]) is None:
        raise Refused(
            "installing needs helm (https://helm.sh/docs/intro/install), which is not on the PATH; "
            f"with it, this command runs: {shlex.join(words)}"
        )
    process = await asyncio.create_subprocess_exec(*words)
    if await process.wait():
        raise Refused("helm did not succeed; what it printed above says why")
    print("podhatch is installed; start with `podhatch run` or kubectl")
    return None


def helm_command(place: Place, sets: list[str], files: list[str]) -> list[str]:
    """Return the words of the command."""
    target = place.target
    context = ["--kube-context", target.context] if target.context else []
    kubeconfig = ["--kubeconfig", target.kubeconfig] if target.kubeconfig else []
    return [
        *["helm", "upgrade", "--install", RELEASE, str(find_chart())],
        *["--namespace", target.namespace or NAMESPACE, "--create-namespace", "--wait"],
        *(word for file in files for word in ("--values", file)),
        *(word for each in sets for word in ("--set", each)),
        *context,
        *kubeconfig,
    ]


def find_chart() -> Path:
    """Return the chart in the package, or in the clone it is used from.

    Raises:
        Refused: It is in neither.
    """
    package = Path(os.path.abspath(podhatch.__path__[0]))
    for place in (package / "chart", package.parents[1] / "charts" / "podhatch"):
        if (place / "Chart.yaml").is_file():
            return place
    raise Refused("this installation of podhatch holds no chart: install the package again")
