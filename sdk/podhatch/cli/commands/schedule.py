"""`podhatch schedule`: runs that start at a time."""

from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES, WorkflowRun
from podhatch.cli.command import command
from podhatch.cli.commands.app import group
from podhatch.cli.console import now, say
from podhatch.cli.lookup import find_run
from podhatch.cli.objects import Listing, limit_of, show_list
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
from podhatch.cli.place import Place
from podhatch.cli.run_input import workflow_and_input
from podhatch.cli.values import json_object, moment, pairs
from podhatch.cli.words import duration
from podhatch.cli.words import moment as written
from podhatch.client import schedules
from podhatch.client.runs.request import NamedRun
from podhatch.client.schedules import has_started
from podhatch.client.sessions import session_of
from podhatch.cluster import WORKFLOW_RUN

schedule = group("schedule", "Start workflows at a time.")

At = Annotated[
    str, typer.Argument(metavar="TIME", help="A period from now such as 2h, or 2026-12-24T18:00.")
]
All = Annotated[bool, typer.Option("--all", "-a", help="Also those whose run has started.")]


def _parsed(item: JsonObject) -> WorkflowRun:
    return WorkflowRun.model_validate(item)


def _waiting(item: JsonObject) -> bool:
    run = _parsed(item)
    return run.spec.start_at is not None and not has_started(run) and not run.finished


def _in(item: JsonObject) -> str:
    run = _parsed(item)
    start = run.spec.start_at
    if not _waiting(item) or start is None:
        return (run.status.phase if run.status else None) or "Pending"
    return f"in {duration(now(), start)}" if start > now() else "is due"


NOT_ENDED = ",".join(f"status.phase!={phase}" for phase in sorted(TERMINAL_PHASES))

SCHEDULES = Listing(
    WORKFLOW_RUN,
    "schedules",
    (
        ("NAME", lambda item: item["metadata"]["name"]),
        ("WORKFLOW", lambda item: item["spec"]["workflow"]),
        ("TIME", lambda item: written(_parsed(item).spec.start_at)),
        ("STARTS", _in),
    ),
)


@command(schedule, "list")
async def list_schedules(
    place: Place,
    all: All = False,
    limit: Limit = None,
    all_namespaces: AllNamespaces = False,
    output: Output = None,
) -> None:
    """Show the runs that are to start."""
    await show_list(
        place,
        SCHEDULES,
        output,
        all_namespaces=all_namespaces,
        field_selector="" if all else NOT_ENDED,
        limit=limit_of(limit, output),
        keep=lambda item: "startAt" in item["spec"] if all else _waiting(item),
    )


@command(schedule)
def create(
    place: Place,
    workflow: Workflow,
    at: At,
    input: Input = None,
    parameter: Parameters = None,
    metadata: Metadata = None,
    priority: Priority = None,
) -> Awaitable[None]:
    """Let a run of a workflow start at a time."""
    start_at = moment("TIME", at, now(), past=False)
    given, texts = json_object("--input", input), pairs("--metadata", metadata)

    async def start() -> None:
        session = await session_of(place.target)
        name, values = await workflow_and_input(session, workflow, given, parameter)
        asked = NamedRun(name, values, texts, priority, start_at)
        created = await schedules.create(place.target, asked)
        say(f"schedule {created.metadata.id} created")

    return start()


@command(schedule)
async def delete(place: Place, run: Run) -> None:
    """Delete a run that has not started. One that has is cancelled by `podhatch cancel`."""
    session = await session_of(place.target)
    found = await find_run(session.cluster, session.namespace, run)
    name = str(found["metadata"]["name"])
    await schedules.delete(place.target, name)
    say(f"schedule {name} deleted")
