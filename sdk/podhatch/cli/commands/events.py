"""`podhatch events`: things that happened, which start runs and which runs wait for."""

import json
from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.api.event import WorkflowEvent
from podhatch.api.model import JsonObject
from podhatch.cli.command import command
from podhatch.cli.commands.app import group
from podhatch.cli.console import now, say
from podhatch.cli.errors import WrongUsage
from podhatch.cli.objects import Listing, limit_of, show_list
from podhatch.cli.options import AllNamespaces, Limit, Metadata, Output, Priority, Since
from podhatch.cli.place import Place
from podhatch.cli.values import json_object, moment, pairs
from podhatch.cli.words import duration, shortened
from podhatch.client.events import EventFilters, new_event
from podhatch.client.events import push as push_event
from podhatch.cluster import WORKFLOW_EVENT

events = group("events", "Push events, which start runs and which runs wait for.")

MAX_PAYLOAD_WIDTH = 60
MAX_RUNS = 3

Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of the event, such as order:paid.")]
Payload = Annotated[
    str | None, typer.Option(metavar="JSON", help="A JSON object, @FILE, or - for stdin.")
]
Scope = Annotated[str | None, typer.Option(help="Scope, which filters and waits may name.")]
OfKey = Annotated[
    list[str] | None, typer.Option("--key", help="Only events of this key; repeatable.")
]


def _runs(item: JsonObject) -> str:
    """Return which runs the event started, and what kept others from starting."""
    status = item.get("status", {})
    names = [str(each["run"]) for each in status.get("triggeredRuns", [])]
    more = f" and {len(names) - MAX_RUNS} more" if len(names) > MAX_RUNS else ""
    told = [", ".join(names[:MAX_RUNS]) + more, str(status.get("message", ""))]
    return "; ".join(part for part in told if part)


EVENTS = Listing(
    WORKFLOW_EVENT,
    "events",
    (
        ("NAME", lambda item: item["metadata"]["name"]),
        ("KEY", lambda item: item["spec"]["key"]),
        ("SCOPE", lambda item: item["spec"].get("scope", "")),
        ("AGE", lambda item: duration(_parsed(item).metadata.creation_timestamp, now())),
        ("PAYLOAD", lambda item: shortened(_payload(item), MAX_PAYLOAD_WIDTH)),
        ("RUNS", _runs),
    ),
)


@command(events)
def push(
    place: Place,
    key: Key,
    payload: Payload = None,
    scope: Scope = None,
    metadata: Metadata = None,
    priority: Priority = None,
) -> Awaitable[None]:
    """Push an event, and print its name."""
    values = json_object("--payload", payload)
    try:
        event = new_event(key, values, pairs("--metadata", metadata), priority, scope)
    except ValueError as error:
        raise WrongUsage(str(error)) from None

    async def start() -> None:
        pushed = await push_event(place.target, event)
        say(pushed.event_id)

    return start()


@command(events, "list")
async def list_events(
    place: Place,
    key: OfKey = None,
    since: Since = None,
    limit: Limit = None,
    all_namespaces: AllNamespaces = False,
    output: Output = None,
) -> None:
    """Show events and the runs they started, newest first."""
    begin = moment("--since", since, now(), past=True) if since else None
    filters = EventFilters(keys=key or None, since=begin)
    await show_list(
        place,
        EVENTS,
        output,
        all_namespaces=all_namespaces,
        keep=lambda item: filters.keep(_parsed(item)),
        limit=limit_of(limit, output),
    )


def _parsed(item: JsonObject) -> WorkflowEvent:
    return WorkflowEvent.model_validate(item)


def _payload(item: JsonObject) -> str:
    return json.dumps(item["spec"].get("payload", {}), ensure_ascii=False)
