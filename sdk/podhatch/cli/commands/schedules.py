"""`podhatch schedule`: runs that start at a given time."""

from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.api.run import TERMINAL_PHASES, WorkflowRun
from podhatch.cli.app import command, group
from podhatch.cli.lookup import find_run, waits_for_start
from podhatch.cli.options import (
    AllNamespaces,
    Input,
    Limit,
    Metadata,
    Output,
    Parameters,
    Priority,
    Run,
    Workflow,
)
from podhatch.cli.rendering.console import now, print_line
from podhatch.cli.rendering.format import duration, local_time
from podhatch.cli.rendering.table import Listing, limit_of, show_list
from podhatch.cli.values import json_object, pairs, point_in_time, workflow_and_input
from podhatch.client import schedules
from podhatch.client.runs.execution import named_request
from podhatch.client.sessions import session_of
from podhatch.client.target import Target

schedule = group("schedule", "Start runs at a given time.")

At = Annotated[
    str,
    typer.Argument(metavar="TIME", help="A period from now such as 1h30m, or 2026-12-24T18:00."),
]
All = Annotated[bool, typer.Option("--all", "-a", help="Include schedules whose run has started.")]


def _is_scheduled(run: WorkflowRun) -> bool:
    return run.spec.start_at is not None


def _in(run: WorkflowRun) -> str:
    start = run.spec.start_at
    if start is None or not waits_for_start(run):
        return (run.status.phase if run.status else None) or "Pending"
    return f"in {duration(now(), start)}" if start > now() else "now"


NOT_ENDED = ",".join(f"status.phase!={phase}" for phase in sorted(TERMINAL_PHASES))

SCHEDULES = Listing(
    WorkflowRun,
    "schedules",
    (
        ("WORKFLOW", lambda run: run.spec.workflow),
        ("TIME", lambda run: local_time(run.spec.start_at)),
        ("STARTS", _in),
    ),
)


@command(schedule, "list")
async def list_schedules(
    target: Target,
    all: All = False,
    limit: Limit = None,
    all_namespaces: AllNamespaces = False,
    output: Output = None,
) -> None:
    """List the schedules whose runs have not started."""
    await show_list(
        target,
        SCHEDULES,
        output,
        all_namespaces=all_namespaces,
        field_selector="" if all else NOT_ENDED,
        limit=limit_of(limit, output),
        keep=_is_scheduled if all else waits_for_start,
    )


@command(schedule)
def create(
    target: Target,
    workflow: Workflow,
    at: At,
    input: Input = None,
    parameter: Parameters = None,
    metadata: Metadata = None,
    priority: Priority = None,
) -> Awaitable[None]:
    """Start a run of a workflow at a given time."""
    start_at = point_in_time("TIME", at, now(), past=False)
    given, texts = json_object("--input", input), pairs("--metadata", metadata)

    async def start() -> None:
        session = await session_of(target)
        name, values = await workflow_and_input(session, workflow, given, parameter)
        request = named_request(name, values, texts, priority, start_at)
        created = await schedules.create(session, name, request)
        print_line(f"schedule {created.metadata.id} created")

    return start()


@command(schedule)
async def delete(target: Target, run: Run) -> None:
    """Delete a schedule whose run has not started. To end a run, use `podhatch cancel`."""
    session = await session_of(target)
    found = await find_run(session.cluster, session.namespace, run)
    name = str(found["metadata"]["name"])
    await schedules.delete(session, name)
    print_line(f"schedule {name} deleted")
