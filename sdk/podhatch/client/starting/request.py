"""A run that somebody asks for, checked in full before anything is created."""

from dataclasses import dataclass
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.client.starting.children import Child


@dataclass(frozen=True)
class RunRequest:
    """What to run, on what, and when.

    Attributes:
        workflow: Name of the Workflow object.
        input: Validated to what the workflow declares.
        metadata: Texts that travel with the run.
        priority: 1 to 3; None leaves it to the workflow.
        child: Whose child the run is; None when no task asks for it.
        start_at: When it starts, with its time zone; None for at once.
        starting_deadline_seconds: A run that could not start within so long after `start_at` is
            cancelled; None starts it however late.
    """

    workflow: str
    input: JsonObject
    metadata: dict[str, str]
    priority: int | None = None
    child: Child | None = None
    start_at: datetime | None = None
    starting_deadline_seconds: int | None = None
