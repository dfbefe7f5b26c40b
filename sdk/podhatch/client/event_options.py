"""Options of events that are pushed. Light, since tasks create them in their pods."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.values.input import Payload


@dataclass(frozen=True, kw_only=True)
class PushEventOptions:
    """Options of an event."""

    additional_metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    """Goes into the metadata of the runs it starts."""
    priority: int | None = None
    """1 (low) to 3 (high) of the runs it starts; None for their workflows'."""
    scope: str | None = None
    """Filters of this scope are asked, and waits that name it."""
    namespace: str | None = None
    """Ignored: the client's counts."""


class BulkPushEventOptions(PushEventOptions):
    """The same for many events at once."""


@dataclass(frozen=True, kw_only=True)
class BulkPushEventWithMetadata:
    """One of many events."""

    key: str
    """Its key."""
    payload: "Payload"
    """An object of at most 256 KiB as JSON."""
    additional_metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    """Goes into the metadata of the runs it starts."""
    priority: int | None = None
    """1 (low) to 3 (high) of the runs it starts; None for their workflows'."""
    scope: str | None = None
    """Filters of this scope are asked, and waits that name it."""
