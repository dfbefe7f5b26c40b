"""Shows podhatch at work: `python -m tests.demo`, called by `make demo` once the cluster is up.

Runs a Python workflow and applies two YAML files, and shows each run while it goes on.
"""

import asyncio
import os
import sys
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import yaml
from podhatch.api.run import WorkflowRun
from podhatch.cli.lookup import find_run
from podhatch.cli.rendering.console import new_console
from podhatch.cli.rendering.watch import watch_run
from podhatch.cluster import WORKFLOW_RUN, ApiError, Cluster
from podhatch.errors import PodhatchError
from rich.console import Console

from tests.cluster.binaries import kubectl
from tests.cluster.paths import KUBECONFIG, REPOSITORY
from tests.cluster.progress import ClusterError

FAREWELL = """
Try next:
  export KUBECONFIG=$PWD/.cluster/kubeconfig PATH=$PWD/.venv/bin:$PWD/.cluster/bin:$PATH
  podhatch get @latest
  kubectl get workflowruns
  python examples/orders.py

The cluster stays up; `make cluster-down` stops it."""


class DemoFailed(Exception):  # noqa: N818 - it names a state
    """A part of the demo did not work; the text says which, and why."""


@dataclass(frozen=True)
class Stage:
    """Where the demo plays."""

    console: Console
    cluster: Cluster
    kubectl: str

    def record(self, command: str, what: str) -> None:
        """Print a command before it runs, and what it does."""
        self.console.print()
        self.console.print(what, style="dim", soft_wrap=True)
        self.console.print(f"$ {command}", style="bold", soft_wrap=True)

    async def show(self, run: str) -> None:
        """Show a run until it ends, and require that it succeeds."""
        started = await find_run(self.cluster, self.cluster.namespace, run)
        ended = await watch_run(self.console, self.cluster, started)
        if ended.status is None or ended.status.phase != "Succeeded":
            raise DemoFailed(f"run {run} did not succeed: see `podhatch get {run}`")


async def run_script(stage: Stage, script: str, workflow: str) -> None:
    """Run a script as a user does, and show the run it starts."""
    _, version = await stage.cluster.list(WORKFLOW_RUN, stage.cluster.namespace, metadata_only=True)
    printed = asyncio.create_task(execute(sys.executable, script))
    started = asyncio.create_task(next_run(stage.cluster, workflow, version))
    await asyncio.wait({printed, started}, return_when=asyncio.FIRST_COMPLETED)
    if not started.done():
        started.cancel()
        raise DemoFailed(f"{script} ended without starting a run: {await printed}")
    await stage.show(started.result())
    stage.console.print(f"\nand {script} prints:\n\n{await printed}", soft_wrap=True)


async def apply(stage: Stage, file: str) -> None:
    """Apply a YAML file, and show the run in it."""
    documents = yaml.safe_load_all((REPOSITORY / file).read_text())
    runs = [WorkflowRun.model_validate(item) for item in documents if item["kind"] == "WorkflowRun"]
    run = runs[0].metadata.name
    await execute(stage.kubectl, "delete", "wfr", run, "--ignore-not-found")
    await execute(stage.kubectl, "apply", "-f", file)
    await stage.show(run)
    query = "jsonpath={.status.tasks[-1:].output}"
    stage.console.print(f"\n$ kubectl get wfr {run} -o '{query}'", style="bold", soft_wrap=True)
    output = await execute(stage.kubectl, "get", "wfr", run, "-o", query)
    stage.console.print(output, soft_wrap=True)


async def execute(*command: str) -> str:
    """Run a command in the repository and return what it prints.

    Raises:
        DemoFailed: its exit code is not 0.
    """
    process = await asyncio.create_subprocess_exec(
        *command, cwd=REPOSITORY, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    printed, complaint = await process.communicate()
    if process.returncode:
        name = " ".join((Path(command[0]).name, *command[1:]))
        raise DemoFailed(f"`{name}` failed: {complaint.decode().strip()}")
    return printed.decode().strip()


async def next_run(cluster: Cluster, workflow: str, version: str) -> str:
    """Return the name of the first run of a workflow that is created after `version`."""
    while True:
        stream = cluster.watch(WORKFLOW_RUN, cluster.namespace, resource_version=version)
        async with aclosing(stream) as events:
            async for event in events:
                run = WorkflowRun.model_validate(event.object)
                if event.type == "ADDED" and run.spec.workflow == workflow:
                    return run.metadata.name
                version = run.metadata.resource_version


async def play() -> None:
    """Play all scenes."""
    cluster = await Cluster.connect()
    try:
        stage = Stage(new_console(), cluster, kubectl())
        stage.record(
            "python examples/orders.py",
            "A workflow in Python: five tasks, each in a pod of its own, two of them side by side.",
        )
        await run_script(stage, "examples/orders.py", "orders")
        stage.record(
            "kubectl apply -f examples/containers.yaml",
            "A workflow of containers: no Python needed, kubectl is enough.",
        )
        await apply(stage, "examples/containers.yaml")
        stage.record(
            "kubectl apply -f examples/mixed.yaml",
            "Python functions and containers in one workflow.",
        )
        await apply(stage, "examples/mixed.yaml")
        stage.console.print(FAREWELL, soft_wrap=True)
    finally:
        await cluster.close()


def main() -> int:
    """Play the demo; whatever goes wrong is one sentence."""
    os.environ.setdefault("KUBECONFIG", str(KUBECONFIG))
    try:
        asyncio.run(play())
    except (ApiError, ClusterError, DemoFailed, PodhatchError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
