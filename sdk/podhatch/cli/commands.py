"""The commands of `podhatch`, as typer reads them: arguments, help, and nothing decided here."""

import asyncio
import sys
from collections.abc import Coroutine
from importlib.metadata import version as package_version

import typer

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.cli import exits
from podhatch.cli.lookup import NoSuchRun, find_name, get_run
from podhatch.cli.options import Context, Kubeconfig, Namespace, NoColor, Output, Run, Where
from podhatch.cli.show import look_for, new_console, now, print_raw, print_run, watch_run
from podhatch.cli.table import RunTable, newest_first
from podhatch.cluster import WORKFLOW_RUN, ApiError, ClusterUnreachable

app = typer.Typer(
    help="Show workflow runs. Start them with Python, or with kubectl.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.command()
def get(
    run: Run,
    namespace: Namespace = None,
    output: Output = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    no_color: NoColor = False,
) -> None:
    """Show a run and its tasks."""

    async def show() -> int:
        async with Where(namespace, kubeconfig, context).connect() as (cluster, where):
            raw = await get_run(cluster, where, await find_name(cluster, where, run))
            if output is not None:
                print_raw(raw, output)
            else:
                console = new_console(no_color=no_color)
                await print_run(console, cluster, WorkflowRun.model_validate(raw))
        return exits.SUCCEEDED

    _run(show())


@app.command()
def watch(
    run: Run,
    namespace: Namespace = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    no_color: NoColor = False,
) -> None:
    """Show a run and its tasks until it ends. The exit code is 1 if it does not succeed."""

    async def show() -> int:
        async with Where(namespace, kubeconfig, context).connect() as (cluster, where):
            name = await find_name(cluster, where, run)
            ended = await watch_run(new_console(no_color=no_color), cluster, where, name)
        succeeded = ended.status is not None and ended.status.phase == "Succeeded"
        return exits.SUCCEEDED if succeeded else exits.FAILED

    _run(show())


@app.command("list")
def list_runs(
    namespace: Namespace = None,
    output: Output = None,
    kubeconfig: Kubeconfig = None,
    context: Context = None,
    no_color: NoColor = False,
) -> None:
    """Show the runs of a namespace, newest first."""

    async def show() -> int:
        async with Where(namespace, kubeconfig, context).connect() as (cluster, where):
            items, _ = await cluster.list(WORKFLOW_RUN, where)
        if output is not None:
            print_raw(_list_object(items), output)
        elif items:
            console = new_console(no_color=no_color)
            runs = [WorkflowRun.model_validate(item) for item in items]
            console.print(RunTable(runs, now(), look_for(console)))
        else:
            print(f"no runs in namespace {where}", file=sys.stderr)
        return exits.SUCCEEDED

    _run(show())


@app.command()
def version() -> None:
    """Show the version of this command."""
    print(f"podhatch {package_version('podhatch')}")


def _list_object(items: list[JsonObject]) -> JsonObject:
    """Return the objects as kubectl writes several of them."""
    by_name = {item["metadata"]["name"]: item for item in items}
    runs = newest_first(WorkflowRun.model_validate(item) for item in items)
    ordered = [by_name[run.metadata.name] for run in runs]
    return {"apiVersion": "v1", "kind": "List", "items": ordered}


def _run(work: Coroutine[None, None, int]) -> None:
    """Run a command to its exit code; whatever goes wrong is one sentence."""
    try:
        code = asyncio.run(work)
    except ClusterUnreachable as error:
        code = _tell(str(error), exits.UNREACHABLE)
    except NoSuchRun as error:
        code = _tell(str(error), exits.FAILED)
    except ApiError as error:
        code = _tell(_explain(error), exits.FAILED)
    except KeyboardInterrupt:
        code = exits.INTERRUPTED
    raise typer.Exit(code)


def _explain(error: ApiError) -> str:
    if error.status == 404:
        return (
            "the cluster does not know WorkflowRuns: install podhatch there first, "
            "with helm and charts/podhatch"
        )
    return f"the API server refused: {error}"


def _tell(sentence: str, code: int) -> int:
    print(f"error: {sentence}", file=sys.stderr)
    return code
