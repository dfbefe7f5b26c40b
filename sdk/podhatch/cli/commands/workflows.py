"""`podhatch workflows`: lists, shows, pauses and deletes workflows."""

from datetime import timedelta
from typing import Annotated

import typer
from rich.text import Text

from podhatch.api.workflow import PausePolicy
from podhatch.api.workflow import Workflow as WorkflowObject
from podhatch.cli.app import command, group
from podhatch.cli.errors import usage_errors
from podhatch.cli.lookup import find_name, find_object, parents_of
from podhatch.cli.options import AllNamespaces, Output, Workflow
from podhatch.cli.rendering.console import new_console, now, print_line, print_raw
from podhatch.cli.rendering.format import duration, printable
from podhatch.cli.rendering.graph import arrange
from podhatch.cli.rendering.table import Listing, show_list
from podhatch.client import objects
from podhatch.client import workflows as client
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import WORKFLOW
from podhatch.values.duration import whole_seconds

workflows = group("workflows", "List, show, pause and delete workflows.")


def _given_name(found: WorkflowObject) -> str:
    """Return the name in `spec.name`, if it differs from the object's name."""
    return found.true_name if found.true_name != found.metadata.name else ""


def _starts(found: WorkflowObject) -> str:
    """Return the events and crons that start runs."""
    return ", ".join((*found.spec.on_events, *found.spec.on_crons))


def _valid(found: WorkflowObject, *, show_paused: bool = False) -> str:
    paused = ", paused" if show_paused and found.spec.paused else ""
    conditions = found.status.conditions if found.status else []
    valid = next((each for each in conditions if each.type == "Valid"), None)
    if valid is None:
        return paused.removeprefix(", ")
    return f"yes{paused}" if valid.status == "True" else f"no{paused}: {valid.message}"


def _paused(found: WorkflowObject) -> str:
    """Say what becomes of runs meanwhile, if the workflow is paused."""
    if not found.spec.paused:
        return ""
    policy = found.spec.pause_policy or PausePolicy()
    begin = now().replace(microsecond=0)  # whole seconds are shown without tenths
    ttl = duration(begin, begin + timedelta(seconds=policy.queue_ttl_seconds))
    crons = ", cron ticks are dropped" if policy.cron_runs == "Drop" else ""
    scheduled = ", scheduled runs are dropped" if policy.scheduled_runs == "Drop" else ""
    return f"runs wait up to {ttl}{crons}{scheduled}"


WORKFLOWS = Listing(
    WorkflowObject,
    "workflows",
    (
        ("GIVEN NAME", _given_name),
        ("TASKS", lambda found: str(len(found.spec.tasks))),
        ("VERSION", lambda found: found.spec.version or ""),
        ("AGE", lambda found: duration(found.metadata.creation_timestamp, now())),
        ("STARTED BY", _starts),
        ("VALID", lambda found: _valid(found, show_paused=True)),
    ),
)


@command(workflows, "list")
async def list_workflows(
    target: Target, all_namespaces: AllNamespaces = False, output: Output = None
) -> None:
    """List the workflows and what starts them."""
    await show_list(target, WORKFLOWS, output, all_namespaces=all_namespaces)


@command(workflows)
async def get(target: Target, workflow: Workflow, output: Output = None) -> None:
    """Show a workflow and its tasks."""
    session = await session_of(target)
    raw = await find_object(session.cluster, WORKFLOW, session.namespace, workflow)
    if output is not None:
        print_raw(raw, output)
        return
    console = new_console()
    found = WorkflowObject.model_validate(raw)
    fields = {
        "Name": found.metadata.name,
        "Given name": _given_name(found),
        "Namespace": found.metadata.namespace,
        "Description": found.spec.description or "",
        "Version": found.spec.version or "",
        "Image": found.spec.image or "",
        "Started by": _starts(found),
        "Paused": _paused(found),
        "Valid": _valid(found),
    }
    for heading, text in fields.items():
        if text:
            console.print(f"{heading + ':':<13}{printable(text)}", soft_wrap=True)
    console.print()
    parents = parents_of(found.spec)
    for row in arrange(list(parents), parents):
        joins = f" ← {', '.join(row.joins)}" if row.joins else ""
        console.print(Text.assemble((row.indentation, "dim"), row.name, (joins, "dim")))


QueueTTL = Annotated[
    str | None,
    typer.Option(
        metavar="DURATION",
        help="Cancel runs that have waited for so long since their creation, such as 30m or 1d; a "
        "day, unless the workflow's pausePolicy sets it.",
    ),
]
CronRuns = Annotated[
    client.QueueBehavior | None,
    typer.Option(
        case_sensitive=False,
        help="Whether a tick of a cron creates a run, which waits (queue), or none (drop).",
    ),
]
ScheduledRuns = Annotated[
    client.QueueBehavior | None,
    typer.Option(
        case_sensitive=False,
        help="Whether a scheduled run waits once its time has come (queue), or is cancelled "
        "(drop).",
    ),
]


@command(workflows)
async def pause(
    target: Target,
    workflow: Workflow,
    queue_ttl: QueueTTL = None,
    cron_runs: CronRuns = None,
    scheduled_runs: ScheduledRuns = None,
) -> None:
    """Pause a workflow: runs that have started continue, others wait."""
    ttl = None
    if queue_ttl is not None:
        with usage_errors():
            ttl = timedelta(seconds=whole_seconds("--queue-ttl", queue_ttl))
    session, name = await find_name(target, WORKFLOW, workflow)
    paused = await client.pause(session, name, ttl, cron_runs, scheduled_runs)
    print_line(f"workflow {name} paused: {_paused(paused.object)}")


@command(workflows)
async def resume(target: Target, workflow: Workflow) -> None:
    """Resume a paused workflow: all its waiting runs start."""
    session, name = await find_name(target, WORKFLOW, workflow)
    await client.unpause(session, name)
    print_line(f"workflow {name} resumed")


@command(workflows)
async def delete(target: Target, workflow: Workflow) -> None:
    """Delete a workflow. Active runs keep the revision they started with."""
    session, name = await find_name(target, WORKFLOW, workflow)
    await objects.delete(session, WORKFLOW, name)
    print_line(f"workflow {name} deleted")
