"""`podhatch cron`: workflows that start by a cron expression."""

from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.api.cron import DEFAULT_TIME_ZONE, ConcurrencyPolicy, CronWorkflow
from podhatch.cli.app import command, group
from podhatch.cli.errors import usage_errors
from podhatch.cli.lookup import find_name
from podhatch.cli.options import (
    AllNamespaces,
    Input,
    Metadata,
    Output,
    Parameters,
    Priority,
    Workflow,
    complete_cron,
)
from podhatch.cli.rendering.console import now, print_line
from podhatch.cli.rendering.format import duration, local_time
from podhatch.cli.rendering.table import Listing, show_list
from podhatch.cli.values import json_object, pairs, workflow_and_input
from podhatch.client import crons
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import CRON_WORKFLOW

cron = group("cron", "Start workflows by a cron expression.")

Cron = Annotated[
    str, typer.Argument(metavar="CRON", help="Name of a cron.", autocompletion=complete_cron)
]
Expression = Annotated[
    str, typer.Argument(help="Minute, hour, day, month, weekday, such as '0 9 * * MON-FRI'.")
]
Name = Annotated[
    str | None, typer.Option(help="Name of the cron; by default derived from the expression.")
]
TimeZone = Annotated[str, typer.Option(help="Time zone of the expression, such as Europe/Paris.")]
Policy = Annotated[
    ConcurrencyPolicy, typer.Option(help="What to do at a tick while an earlier run is active.")
]


def _next(item: CronWorkflow) -> str:
    if item.spec.suspend:
        return "suspended"
    times = item.status.next_run_times if item.status else []
    return local_time(next((time for time in times if time > now()), None))


def _last(item: CronWorkflow) -> str:
    if item.status is None or item.status.last_tick_at is None:
        return ""
    return f"{duration(item.status.last_tick_at, now())} ago"


CRONS = Listing(
    CronWorkflow,
    "crons",
    (
        ("WORKFLOW", lambda item: item.spec.workflow),
        ("SCHEDULE", lambda item: item.spec.schedule),
        ("TIME ZONE", lambda item: item.spec.time_zone),
        ("NEXT", _next),
        ("LAST", _last),
    ),
)


@command(cron, "list")
async def list_crons(
    target: Target, all_namespaces: AllNamespaces = False, output: Output = None
) -> None:
    """List the crons and their next ticks."""
    await show_list(target, CRONS, output, all_namespaces=all_namespaces)


@command(cron)
def create(
    target: Target,
    workflow: Workflow,
    expression: Expression,
    name: Name = None,
    time_zone: TimeZone = DEFAULT_TIME_ZONE,
    policy: Policy = "Allow",
    input: Input = None,
    parameter: Parameters = None,
    metadata: Metadata = None,
    priority: Priority = None,
) -> Awaitable[None]:
    """Create a cron, which starts a run of a workflow at each tick of an expression."""
    given, texts = json_object("--input", input), pairs("--metadata", metadata)

    async def start() -> None:
        session = await session_of(target)
        found, values = await workflow_and_input(session, workflow, given, parameter)
        kept: crons.CronOptions = {"time_zone": time_zone, "concurrency_policy": policy}
        with usage_errors():
            asked = crons.new_cron(
                found, name or expression, expression, values, texts, priority, kept
            )
        created = await crons.create(session, found, asked)
        print_line(f"cron {created.metadata.id} created")

    return start()


@command(cron)
async def delete(target: Target, cron: Cron) -> None:
    """Delete a cron. Its runs are kept."""
    session, name = await find_name(target, CRON_WORKFLOW, cron)
    await crons.delete(session, name)
    print_line(f"cron {name} deleted")


@command(cron)
async def suspend(target: Target, cron: Cron) -> None:
    """Suspend a cron: it starts no more runs."""
    await _suspend(target, cron, suspended=True)


@command(cron)
async def resume(target: Target, cron: Cron) -> None:
    """Resume a suspended cron."""
    await _suspend(target, cron, suspended=False)


async def _suspend(target: Target, cron: str, *, suspended: bool) -> None:
    session, name = await find_name(target, CRON_WORKFLOW, cron)
    await crons.suspend(session, name, suspended=suspended)
    print_line(f"cron {name} {'suspended' if suspended else 'resumed'}")
