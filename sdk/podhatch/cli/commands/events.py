"""`podhatch events`: pushes and lists events."""

import json
from collections.abc import Awaitable
from typing import Annotated

import typer

from podhatch.api.event import WorkflowEvent
from podhatch.cli.app import command, group
from podhatch.cli.errors import usage_errors
from podhatch.cli.options import (
    AllNamespaces,
    Limit,
    Metadata,
    Output,
    Priority,
    Since,
)
from podhatch.cli.rendering.console import now, print_line
from podhatch.cli.rendering.format import duration, shortened
from podhatch.cli.rendering.table import Listing, limit_of, show_list
from podhatch.cli.values import json_object, pairs, point_in_time
from podhatch.client.events import event_query, new_event
from podhatch.client.events import push as push_event
from podhatch.client.sessions import session_of
from podhatch.client.target import Target

events = group("events", "Push and list events, which start runs and which runs wait for.")

MAX_PAYLOAD_WIDTH = 60
MAX_RUNS = 3

Key = Annotated[str, typer.Argument(metavar="KEY", help="Key of the event, such as order:paid.")]
Payload = Annotated[
    str | None, typer.Option(metavar="JSON", help="A JSON object, @FILE, or - for stdin.")
]
Scope = Annotated[str | None, typer.Option(help="Scope, which filters and conditions can match.")]
OfKey = Annotated[
    list[str] | None, typer.Option("--key", help="Only events of this key; repeatable.")
]


def _payload(event: WorkflowEvent) -> str:
    return shortened(json.dumps(event.spec.payload, ensure_ascii=False), MAX_PAYLOAD_WIDTH)


def _runs(event: WorkflowEvent) -> str:
    """Return the runs that the event started, and why others did not start."""
    if event.status is None:
        return ""
    names = [each.run for each in event.status.triggered_runs]
    more = f" and {len(names) - MAX_RUNS} more" if len(names) > MAX_RUNS else ""
    parts = [", ".join(names[:MAX_RUNS]) + more, event.status.message or ""]
    return "; ".join(part for part in parts if part)


EVENTS = Listing(
    WorkflowEvent,
    "events",
    (
        ("KEY", lambda event: event.spec.key),
        ("SCOPE", lambda event: event.spec.scope or ""),
        ("AGE", lambda event: duration(event.metadata.creation_timestamp, now())),
        ("PAYLOAD", _payload),
        ("RUNS", _runs),
    ),
)


@command(events)
def push(
    target: Target,
    key: Key,
    payload: Payload = None,
    scope: Scope = None,
    metadata: Metadata = None,
    priority: Priority = None,
) -> Awaitable[None]:
    """Push an event, and print its name."""
    values = json_object("--payload", payload)
    with usage_errors():
        event = new_event(key, values, pairs("--metadata", metadata), priority, scope)

    async def start() -> None:
        pushed = await push_event(await session_of(target), event)
        print_line(pushed.event_id)

    return start()


@command(events, "list")
async def list_events(
    target: Target,
    key: OfKey = None,
    since: Since = None,
    limit: Limit = None,
    all_namespaces: AllNamespaces = False,
    output: Output = None,
) -> None:
    """List events and the runs they started, newest first."""
    begin = point_in_time("--since", since, now(), past=True) if since else None
    query = event_query({"keys": key or None, "since": begin})
    await show_list(
        target,
        EVENTS,
        output,
        all_namespaces=all_namespaces,
        keep=query.keep,
        limit=limit_of(limit, output),
    )
