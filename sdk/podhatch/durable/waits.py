"""What the operator has said of the waits of a durable task's log, as its pod has seen it."""

from podhatch.api.durable_log import DurableWait
from podhatch.api.model import JsonObject
from podhatch.core.durable.progress import WaitKey, stored_waits, waits_over


class Waits:
    """What the operator has said of the calls so far.

    Attributes:
        over: The waits that are over.
    """

    def __init__(self) -> None:
        self.over: dict[WaitKey, DurableWait] = {}
        self._counts: dict[int, int] = {}

    def read(self, page: JsonObject) -> list[DurableWait]:
        """Take over what a page says, and return the waits that are over since."""
        number: int = page["spec"]["page"]
        self._counts[number] = waits_over([page])
        found: list[DurableWait] = []
        for key, raw in stored_waits(page).items():
            if key not in self.over and ("overAt" in raw or "error" in raw):
                self.over[key] = DurableWait.model_validate(raw)
                found.append(self.over[key])
        return found

    @property
    def count(self) -> int:
        """How many waits of the log are over."""
        return sum(self._counts.values())
