"""Why a run does not start. Said by acceptance and schedule, written down by plan_run."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class Rejection:
    """A reason in one word, and a sentence that says what to do."""

    reason: str
    message: str
    end: Literal["Failed", "Cancelled"] | None = None
    """How the run ends by this; None: it starts once the reason is gone."""
    look_again_at: datetime | None = None
    """When the reason may be gone by itself."""
