"""`podhatch install` runs helm with the package's chart; `podhatch version` prints versions."""

import asyncio
import os
import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

import podhatch
from podhatch.cli.app import app, command, own_version
from podhatch.cli.errors import CommandError
from podhatch.cli.rendering.console import print_line
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import Kind

RELEASE = "podhatch"
NAMESPACE = "podhatch-system"
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments")
SELECTOR = "app.kubernetes.io/name=podhatch"

OperatorNamespace = Annotated[
    str | None,
    typer.Option("--namespace", "-n", help=f"The operator's namespace; by default {NAMESPACE}."),
]
Set = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A value of the chart.")
]
Values = Annotated[
    list[str] | None, typer.Option("--values", "-f", help="A file with values of the chart.")
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the helm command without running it.")
]
ClientOnly = Annotated[
    bool, typer.Option("--client", help="Print only the version of this command.")
]


@command(app, namespace=OperatorNamespace)
async def install(
    target: Target, set: Set = None, values: Values = None, dry_run: DryRun = False
) -> int | None:
    """Install or upgrade the operator with helm; by default in namespace podhatch-system.

    Includes the CustomResourceDefinitions: Workflow, WorkflowRun and so on.
    """
    words = helm_command(target, set or [], values or [])
    if dry_run:
        print(shlex.join(words))
        return None
    if shutil.which(words[0]) is None:
        raise CommandError(
            "helm is not on the PATH: install it (https://helm.sh/docs/intro/install); this "
            f"command then runs: {shlex.join(words)}"
        )
    process = await asyncio.create_subprocess_exec(*words)
    if await process.wait():
        raise CommandError("helm failed; see its output above")
    print("podhatch is installed; start with `podhatch run` or kubectl")
    return None


def helm_command(target: Target, sets: list[str], files: list[str]) -> list[str]:
    """Return the words of the command."""
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
    """Return the chart in the package, or in the repository that the package runs from."""
    package = Path(os.path.abspath(podhatch.__path__[0]))
    for place in (package / "chart", package.parents[1] / "charts" / "podhatch"):
        if (place / "Chart.yaml").is_file():
            return place
    raise CommandError("this installation of podhatch has no chart: reinstall the package")


@command(app)
async def version(target: Target, client: ClientOnly = False) -> None:
    """Print the version of this command, and of the operator in the cluster."""
    print_line(own_version())
    if not client:
        print_line(f"operator {await _operator(target)}")


async def _operator(target: Target) -> str:
    session = await session_of(target)
    found, _ = await session.cluster.list(DEPLOYMENT, None, label_selector=SELECTOR)
    versions = [
        f"{each['metadata']['labels'].get('app.kubernetes.io/version', 'of unknown version')} in "
        f"namespace {each['metadata']['namespace']} (image "
        f"{each['spec']['template']['spec']['containers'][0]['image']})"
        for each in found
    ]
    return ", ".join(versions) or "not installed: see `podhatch install --help`"
