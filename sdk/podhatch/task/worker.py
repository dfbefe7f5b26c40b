"""What Hatchet's older code asks its context for as `ctx.worker`. Standard library only.

A pod serves one task, so there is nothing to tell but its name.
"""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class WorkerContext:
    """The pod this task runs in; its older names in the Hatchet SDK."""

    pod: str

    def id(self) -> str:
        """Return the name of the pod; empty without one."""
        return self.pod

    def labels(self) -> dict[str, str | int]:
        """Return nothing: no task is sent to a pod by its labels."""
        return {}

    def upsert_labels(self, labels: Mapping[str, str | int]) -> None:
        """Do nothing: `labels` would be those of a worker, and a pod serves one task."""

    async def async_upsert_labels(self, labels: Mapping[str, str | int]) -> None:
        """Do what `upsert_labels` does."""
