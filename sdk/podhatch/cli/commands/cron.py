"""`podhatch cron`: workflows that start by the clock."""

from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.api.cron import DEFAULT_TIME_ZONE, ConcurrencyPolicy, CronWorkflow
from podhatch.api.model import JsonObject
from podhatch.cli.command import command
from podhatch.cli.commands.app import group
from podhatch.cli.completion import complete_cron
from podhatch.cli.console import now, say
from podhatch.cli.errors import WrongUsage
from podhatch.cli.objects import Listing, find_object, show_list
from podhatch.cli.options import (
    AllNamespaces,
    Input,
    Metadata,
    Output,
    Parameters,
    Priority,
    Workflow,
)
from podhatch.cli.place import Place
from podhatch.cli.run_input import workflow_and_input
from podhatch.cli.values import json_object, pairs
from podhatch.cli.words import duration, moment
from podhatch.client import crons
from podhatch.client.sessions import session_of
from podhatch.cluster import CRON_WORKFLOW

cron = group("cron", "Start workflows by the clock.")

Cron = Annotated[
    str,
    typer.Argument(metavar="CRON", help="Name of a cron.", autocompletion=complete_cron),
]
Expression = Annotated[
    str, typer.Argument(help="Minute, hour, day, month, weekday, such as '0 9 * * MON-FRI'.")
]
Name = Annotated[
    str | None, typer.Option(help="Name of the cron; by default its expression makes one.")
]
TimeZone = Annotated[str, typer.Option(help="Of the expression, such as Europe/Paris.")]
Policy = Annotated[
    ConcurrencyPolicy,
    typer.Option(help="What a tick does while an earlier run goes on."),
]


def _parsed(item: JsonObject) -> CronWorkflow:
    return CronWorkflow.model_validate(item)


def _next(item: JsonObject) -> str:
    found = _parsed(item)
    if found.spec.suspend:
        return "suspended"
    times = found.status.next_run_times if found.status else []
    return moment(next((time for time in times if time > now()), None))


def _last(item: JsonObject) -> str:
    status = _parsed(item).status
    if status is None or status.last_tick_at is None:
        return ""
    return f"{duration(status.last_tick_at, now())} ago"


CRONS = Listing(
    CRON_WORKFLOW,
    "crons",
    (
        ("NAME", lambda item: item["metadata"]["name"]),
        ("WORKFLOW", lambda item: item["spec"]["workflow"]),
        ("SCHEDULE", lambda item: item["spec"]["schedule"]),
        ("TIME ZONE", lambda item: item["spec"].get("timeZone", DEFAULT_TIME_ZONE)),
        ("NEXT", _next),
        ("LAST", _last),
    ),
)


@command(cron, "list")
async def list_crons(
    place: Place, all_namespaces: AllNamespaces = False, output: Output = None
) -> None:
    """Show the crons, and when they tick next."""
    await show_list(place, CRONS, output, all_namespaces=all_namespaces)


@command(cron)
def create(
    place: Place,
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
    """Run a workflow at each tick of a cron expression."""
    given, texts = json_object("--input", input), pairs("--metadata", metadata)

    async def start() -> None:
        session = await session_of(place.target)
        found, values = await workflow_and_input(session, workflow, given, parameter)
        request = crons.CronRequest(
            target=place.target,
            workflow_name=found,
            cron_name=name or expression,
            expression=expression,
            input=values,
            additional_metadata=texts,
            priority=priority,
            time_zone=time_zone,
            concurrency_policy=policy,
        )
        try:
            created = await crons.create(request)
        except ValueError as error:
            raise WrongUsage(str(error)) from None
        say(f"cron {created.metadata.id} created")

    return start()


@command(cron)
async def delete(place: Place, cron: Cron) -> None:
    """Delete a cron. Its runs stay."""
    name = await _name(place, cron)
    await crons.delete(place.target, name)
    say(f"cron {name} deleted")


@command(cron)
async def suspend(place: Place, cron: Cron) -> None:
    """Let a cron start no further run."""
    name = await _name(place, cron)
    await crons.suspend(place.target, name, suspended=True)
    say(f"cron {name} suspended")


@command(cron)
async def resume(place: Place, cron: Cron) -> None:
    """Let a suspended cron start runs again."""
    name = await _name(place, cron)
    await crons.suspend(place.target, name, suspended=False)
    say(f"cron {name} resumed")


async def _name(place: Place, given: str) -> str:
    session = await session_of(place.target)
    found = await find_object(session.cluster, CRON_WORKFLOW, session.namespace, given)
    return str(found["metadata"]["name"])
