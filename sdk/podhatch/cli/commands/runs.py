"""The commands on runs: run, list, get, watch, cancel and replay."""

import json
from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.api.model import JsonObject
from podhatch.api.names import object_name
from podhatch.api.run import Phase, WorkflowRun, WorkflowRunStatus
from podhatch.cli.app import app, command
from podhatch.cli.errors import ExitCode, UsageError, error_message, exit_code
from podhatch.cli.lookup import PHASES, Selection, find_run, find_runs, given_name
from podhatch.cli.options import (
    AllNamespaces,
    Input,
    Limit,
    Metadata,
    Output,
    Parameters,
    Priority,
    Run,
    Since,
    Watch,
    complete_run,
    complete_workflow,
)
from podhatch.cli.rendering.console import (
    new_console,
    now,
    print_error,
    print_json,
    print_line,
    print_raw,
)
from podhatch.cli.rendering.format import duration, on_one_line, phase_text
from podhatch.cli.rendering.table import Listing, limit_of, print_list
from podhatch.cli.rendering.watch import print_run, watch_run
from podhatch.cli.source import find_workflow, manifest
from podhatch.cli.values import json_object, pairs, point_in_time, workflow_and_input
from podhatch.client.runs import control, execution
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.client.waiting import states
from podhatch.client.workflows import published
from podhatch.cluster import WORKFLOW, ApiError, ClusterUnreachable
from podhatch.errors import PodhatchError
from podhatch.values.parsing import did_you_mean

What = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW",
        help="Name of a workflow in the cluster; or module:workflow or file.py:workflow, which is "
        "published first.",
        autocompletion=complete_workflow,
    ),
]
Wait = Annotated[
    bool,
    typer.Option("--wait/--no-wait", help="Wait until the run ends; print the outputs as JSON."),
]
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
Runs = Annotated[
    list[str],
    typer.Argument(
        metavar="RUN...", help="Names of runs, or @latest.", autocompletion=complete_run
    ),
]
FailedOnly = Annotated[
    bool, typer.Option("--failed-only", help="Keep the outputs of tasks that succeeded.")
]


@command(app)
def run(
    target: Target,
    workflow: What,
    input: Input = None,
    parameter: Parameters = None,
    metadata: Metadata = None,
    priority: Priority = None,
    wait: Wait = False,
    watch: Watch = False,
    output: Output = None,
) -> Awaitable[int | None]:
    """Start a run, and print its name.

    With --wait or --watch, the exit code is 1 if the run failed, and 4 if it was cancelled.
    """
    if watch and output is not None:
        raise UsageError("--watch cannot be combined with -o: use --wait -o")
    is_place = ":" in workflow or workflow.endswith(".py")
    own = find_workflow(workflow, target) if is_place else None
    name = manifest(own).name if own else workflow
    given, texts = json_object("--input", input), pairs("--metadata", metadata)

    async def start() -> int | None:
        used = own.target if own else target
        session = await session_of(used)
        if own is not None:  # with the workflows of the same module, which its tasks may start
            await published(session, own.project.publication([own]))
        found, values = await workflow_and_input(session, name, given, parameter)
        request = execution.named_request(found, values, texts, priority)
        created = await execution.create_named(session, request)
        run = await session.get_run(created.metadata.name)
        if watch:
            return await _watch(session, run)
        if wait:
            run = await _ended(session, run)
        if output is not None:
            print_raw(run, output)
        elif wait:
            await _print_outputs(used, run)
        else:
            print_line(run["metadata"]["name"])
        return _exit_code_of(WorkflowRun.model_validate(run)) if wait else None

    return start()


async def _watch(session: Session, run: JsonObject) -> ExitCode:
    """Show a run until it ends."""
    return _exit_code_of(await watch_run(new_console(), session.cluster, run))


async def _ended(session: Session, run: JsonObject) -> JsonObject:
    """Return the run as it is at its end."""
    # The name is known even if the user interrupts the command or the connection is lost.
    print_error(f"run {run['metadata']['name']} started")
    async for state in states(session.cluster, run):
        run = state
    return run


async def _print_outputs(target: Target, run: JsonObject) -> None:
    """Print the outputs of a run that succeeded, or why it did not."""
    ended = WorkflowRun.model_validate(run)
    name, status = ended.metadata.name, ended.status
    if status is not None and status.phase == "Succeeded":
        texts = await execution.outputs(target, name, run)
        print_json({task: json.loads(text) if text else None for task, text in texts.items()})
    elif status is not None:
        why = f"run {name} is {status.phase}: {status.message} (see `podhatch get {name}`)"
        print_error(f"error: {why}")


def _exit_code_of(run: WorkflowRun) -> ExitCode:
    phase = run.status.phase if run.status else None
    if phase == "Succeeded":
        return ExitCode.SUCCEEDED
    return ExitCode.CANCELLED if phase == "Cancelled" else ExitCode.FAILED


def _took(run: WorkflowRun) -> str:
    status = run.status or WorkflowRunStatus()
    return duration(status.started_at, status.finished_at or now())


RUNS = Listing(
    WorkflowRun,
    "runs",
    (
        ("WORKFLOW", lambda run: run.spec.workflow),
        ("PHASE", phase_text),
        ("PROGRESS", lambda run: (run.status and run.status.progress) or ""),
        ("AGE", lambda run: duration(run.metadata.creation_timestamp, now())),
        ("DURATION", _took),
        ("MESSAGE", lambda run: on_one_line(run.status.message or "" if run.status else "", 120)),
    ),
    wide=("WORKFLOW",),
)


@command(app, "list")
async def list_runs(
    target: Target,
    workflow: OfWorkflow = None,
    status: Status = None,
    since: Since = None,
    metadata: Metadata = None,
    limit: Limit = None,
    all_namespaces: AllNamespaces = False,
    output: Output = None,
) -> None:
    """List runs, newest first: the last 50, or all of them with -o."""
    selection = Selection(
        workflow=None if workflow is None else object_name(given_name(WORKFLOW, workflow)),
        phases=tuple(_phase(text) for text in status or ()),
        since=point_in_time("--since", since, now(), past=True) if since else None,
        metadata=pairs("--metadata", metadata),
    )
    session = await session_of(target)
    namespace = None if all_namespaces else session.namespace
    found = await find_runs(session.cluster, namespace, selection, limit_of(limit, output))
    which = "" if selection == Selection() else "matching "
    await print_list(session, RUNS, found, output, all_namespaces=all_namespaces, which=which)


def _phase(text: str) -> Phase:
    for phase in PHASES:
        if phase.lower() == text.lower():
            return phase
    raise UsageError(
        f"--status: expected one of {', '.join(PHASES)}, got {text!r}{did_you_mean(text, PHASES)}"
    )


@command(app)
async def get(target: Target, run: Run, output: Output = None) -> None:
    """Show a run: its tasks with states, times and reasons, and its child runs."""
    session = await session_of(target)
    raw = await find_run(session.cluster, session.namespace, run)
    if output is not None:
        print_raw(raw, output)
        return
    console = new_console()
    await print_run(console, session.cluster, WorkflowRun.model_validate(raw))


@command(app)
async def watch(target: Target, run: Run) -> int:
    """Show a run until it ends. The exit code is 1 if it failed, 4 if it was cancelled."""
    session = await session_of(target)
    raw = await find_run(session.cluster, session.namespace, run)
    return await _watch(session, raw)


@command(app)
async def cancel(target: Target, runs: Runs) -> int:
    """Cancel runs. A run that has ended does not change."""
    session = await session_of(target)
    code = ExitCode.SUCCEEDED
    for given in runs:
        try:
            print_line(await _cancel(session, given))
        except ClusterUnreachable:
            raise
        except (ApiError, PodhatchError) as error:  # cancel the other runs all the same
            print_error(f"error: {error_message(error)}")
            code = code or exit_code(error)
    return code


async def _cancel(session: Session, given: str) -> str:
    """Cancel a run, and return the line to print."""
    found = await find_run(session.cluster, session.namespace, given, certain=True)
    run = WorkflowRun.model_validate(found)
    name = run.metadata.name
    if run.finished and run.status is not None:
        return f"run {name} has already ended: {run.status.phase}"
    await control.cancel(session, name)
    return f"run {name} cancelled"


@command(app)
async def replay(
    target: Target, run: Run, failed_only: FailedOnly = False, watch: Watch = False
) -> int | None:
    """Start a run again, under the same name, with the same input and workflow revision."""
    session = await session_of(target)
    found = await find_run(session.cluster, session.namespace, run, certain=True)
    name = str(found["metadata"]["name"])
    started = await control.replay(session, name, failed_only=failed_only)
    if watch:
        return await _watch(session, started)
    print_line(f"run {name} replayed")
    return None
