"""One caller who waits for the end of one run. Told of each change by a follower."""

import asyncio
import logging

from podhatch.api.model import JsonObject
from podhatch.api.run import ACCEPTED
from podhatch.client.following import ended

PATIENCE_SECONDS = 10.0
"""A run that nobody took up for so long is worth a warning."""

_logger = logging.getLogger("podhatch")


class Waiter:
    """Holds the run as it was seen last, and a future for its end.

    Warns once when the run is not taken up.
    """

    def __init__(self, run: JsonObject) -> None:
        loop = asyncio.get_running_loop()
        self.run = run
        self.end: asyncio.Future[JsonObject] = loop.create_future()
        self._timer = loop.call_later(PATIENCE_SECONDS, self._warn)
        self.saw(run)

    def saw(self, run: JsonObject) -> None:
        """Take notice of the run as it is now."""
        self.run = run
        accepted = _acceptance(run)
        if accepted is not None and accepted["status"] == "True":
            self._timer.cancel()
        if ended(run) and not self.end.done():
            self.end.set_result(run)

    def fail(self, error: BaseException) -> None:
        """Tell the caller that the end will not be seen."""
        if not self.end.done():
            self.end.set_exception(error)

    def close(self) -> None:
        """Stop caring."""
        self._timer.cancel()
        self.end.cancel()

    def _warn(self) -> None:
        namespace, name = key_of(self.run)
        accepted = _acceptance(self.run)
        if accepted is not None and accepted.get("reason") == "Scheduled":
            return
        if accepted is not None:
            _logger.warning("run %s waits: %s", name, accepted.get("message", ""))
        else:
            _logger.warning(
                "no operator has taken up run %s in namespace %s: does podhatch serve this "
                "namespace? (chart value watchNamespaces)",
                name,
                namespace,
            )


def key_of(run: JsonObject) -> tuple[str, str]:
    """Return the run's namespace and name."""
    return run["metadata"]["namespace"], run["metadata"]["name"]


def _acceptance(run: JsonObject) -> JsonObject | None:
    conditions: list[JsonObject] = run.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == ACCEPTED), None)
