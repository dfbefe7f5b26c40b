"""What the operator has said of the waits of a durable task's log, as its pod has seen it."""

from podhatch.api.durable_log import DurableWait
from podhatch.api.model import JsonObject
from podhatch.core.durable.progress import WaitKey, over_calls, stored_waits


class Waits:
    """What the operator has said of the calls so far.

    Attributes:
        over: The waits that are over.
    """

    def __init__(self) -> None:
        self.over: dict[WaitKey, DurableWait] = {}
        self._over_nodes: set[int] = set()
        """Of calls, and not of waits of calls that were reset."""

    def read(self, page: JsonObject) -> list[DurableWait]:
        """Take over what a page says, and return the waits that are over since."""
        self._over_nodes |= {node for node, _ in over_calls(page)}
        found: list[DurableWait] = []
        for key, raw in stored_waits(page).items():
            if key not in self.over and ("overAt" in raw or "error" in raw):
                self.over[key] = DurableWait.model_validate(raw)
                found.append(self.over[key])
        return found

    def count(self, cancelled: frozenset[int]) -> int:
        """Return how many waits of the log are over, without those that were cancelled."""
        return len(self._over_nodes) - len(self._over_nodes & cancelled)
