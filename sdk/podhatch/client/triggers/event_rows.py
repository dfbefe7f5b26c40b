"""Events under the names of the Hatchet SDK."""

import json
from dataclasses import dataclass
from datetime import datetime

from podhatch.api.event import WorkflowEvent
from podhatch.api.model import JsonObject
from podhatch.client.listing.rows import Metadata, metadata_of


@dataclass(frozen=True)
class Event:
    """An event that was just pushed.

    Attributes:
        event_id: Name of the WorkflowEvent object.
        key: Its key.
        payload: Its payload as JSON text.
        event_timestamp: When it happened, in UTC.
        additional_metadata: As JSON text.
        scope: Its scope; None for none.
        seen_at: The same as `event_timestamp`.
        namespace: Where it is.
    """

    event_id: str
    key: str
    payload: str
    event_timestamp: datetime
    additional_metadata: str
    scope: str | None
    seen_at: datetime
    namespace: str


@dataclass(frozen=True)
class V1EventTriggeredRun:
    """A run that an event started.

    Attributes:
        workflow_run_id: Name of the WorkflowRun object.
        workflow_id: Name of the Workflow object.
    """

    workflow_run_id: str
    workflow_id: str


@dataclass(frozen=True)
class V1Event:
    """An event, and what it has started.

    Attributes:
        metadata: Its id is the name of the WorkflowEvent object.
        key: Its key.
        payload: Its payload.
        scope: Its scope; None for none.
        additional_metadata: What it gives to the runs it starts.
        seen_at: When it happened, in UTC.
        triggered_runs: Runs it has started by now.
        handled: Whether these are all: the operator looks for a few seconds.
        message: Which filter could not be asked, and why; None if all could.
    """

    metadata: Metadata
    key: str
    payload: JsonObject
    scope: str | None
    additional_metadata: dict[str, str]
    seen_at: datetime
    triggered_runs: list[V1EventTriggeredRun]
    handled: bool
    message: str | None


def seen_at(stored: WorkflowEvent) -> datetime:
    """Return when an event happened."""
    return stored.spec.seen_at or metadata_of(stored).created_at


def pushed_event(stored: WorkflowEvent) -> Event:
    """Return what `push` returns."""
    spec, moment = stored.spec, seen_at(stored)
    return Event(
        event_id=stored.metadata.name,
        key=spec.key,
        payload=json.dumps(spec.payload),
        event_timestamp=moment,
        additional_metadata=json.dumps(spec.additional_metadata),
        scope=spec.scope,
        seen_at=moment,
        namespace=stored.metadata.namespace,
    )


def event_row(stored: WorkflowEvent) -> V1Event:
    """Return what lists hold."""
    spec, status = stored.spec, stored.status
    return V1Event(
        metadata=metadata_of(stored),
        key=spec.key,
        payload=spec.payload,
        scope=spec.scope,
        additional_metadata=spec.additional_metadata,
        seen_at=seen_at(stored),
        triggered_runs=[
            V1EventTriggeredRun(each.run, each.workflow)
            for each in (status.triggered_runs if status else [])
        ],
        handled=status is not None and status.handled_at is not None,
        message=status.message if status else None,
    )
