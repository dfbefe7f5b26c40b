"""`hatchet.event`: tells runs of something that they may wait for."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from podhatch.client.target import Target
from podhatch.loading import refuse_run
from podhatch.serialization import describe, dump_json

if TYPE_CHECKING:
    from pydantic import BaseModel

    from podhatch.api.event import WorkflowEvent
    from podhatch.api.model import JsonObject

    Payload = Mapping[str, Any] | BaseModel


class EventClient:
    """Events of one namespace."""

    def __init__(self, target: Target) -> None:
        self._target = target

    def push(self, event_key: str, payload: "Payload", scope: str | None = None) -> "WorkflowEvent":
        """Create a WorkflowEvent, seen now by this machine's clock; it is deleted after a day.

        Args:
            event_key: What `UserEventCondition` names.
            payload: An object of at most 256 KiB as JSON, which conditions call `input`.
            scope: Conditions that name a scope take events of that scope only.

        Raises:
            RequestRefused: The cluster does not let you.
            ValueError: The event cannot be.
        """
        manifest = _manifest(event_key, payload, scope)
        from podhatch.client import control, portal

        return portal.wait(control.push(self._target, manifest))

    async def aio_push(
        self, event_key: str, payload: "Payload", scope: str | None = None
    ) -> "WorkflowEvent":
        """Do what `push` does, in an event loop."""
        manifest = _manifest(event_key, payload, scope)
        from podhatch.client import control, portal

        return await portal.aio_wait(control.push(self._target, manifest))


def _manifest(key: str, payload: "Payload", scope: str | None) -> "JsonObject":
    refuse_run()
    import secrets

    from pydantic import ValidationError

    from podhatch.api.event import WorkflowEvent, WorkflowEventSpec
    from podhatch.api.model import ObjectMeta
    from podhatch.api.names import new_run_name, object_name, short_hash

    now = datetime.now(UTC)
    try:
        values = _object(key, payload)
        spec = WorkflowEventSpec(key=key, payload=values, scope=scope, seen_at=now)
    except ValidationError as error:
        raise ValueError(f"event {key!r}: {describe(error)}") from None
    name = new_run_name(object_name(key), short_hash(secrets.token_hex(16), 8))
    return WorkflowEvent(metadata=ObjectMeta(name=name), spec=spec).to_wire()


def _object(key: str, payload: "Payload") -> "JsonObject":
    from podhatch.api.pod import MAX_INPUT_BYTES

    try:
        text = dump_json(dict(payload) if isinstance(payload, Mapping) else payload)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"event {key!r}: payload: it is not JSON: {error}") from None
    if not text.startswith("{"):
        raise ValueError(f"event {key!r}: payload: it is not a JSON object")
    if (size := len(text.encode())) > MAX_INPUT_BYTES:
        raise ValueError(
            f"event {key!r}: payload: it has {size:,} bytes as JSON, {MAX_INPUT_BYTES:,} are "
            "allowed"
        )
    return json.loads(text)
