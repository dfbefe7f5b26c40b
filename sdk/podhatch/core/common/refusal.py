"""Why something is not done: an object is not valid, a run does not start, a write is refused."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class Refusal:
    """Why an object is not valid."""

    reason: str
    message: str
    """A sentence that begins with the field, and says what to do."""


@dataclass(frozen=True)
class RunRefusal(Refusal):
    """Why a run does not start."""

    end: Literal["Failed", "Cancelled"] | None = None
    """How the run ends because of it; None: it starts once the reason is gone."""
    look_again_at: datetime | None = None
    """When the reason may be gone by itself."""


@dataclass(frozen=True)
class ApiRefusal:
    """The API server did not accept a child: its HTTP status and its message."""

    code: int
    message: str
