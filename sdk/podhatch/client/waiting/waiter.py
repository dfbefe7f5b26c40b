"""One caller who waits for the end of one run. Told of each change by a follower."""

import asyncio
import logging

from podhatch.api.model import JsonObject
from podhatch.api.run import ACCEPTED
from podhatch.client.waiting.changes import ended

PATIENCE_SECONDS = 10.0
"""A run that nobody took up for so long is worth a warning."""

QUIET_SECONDS = 60.0

_logger = logging.getLogger("podhatch")


class Alarm:
    """Says why runs are not taken up: the same once a minute, however many runs wait."""

    def __init__(self) -> None:
        self._said_at: dict[str, float] = {}

    def ring(self, run: JsonObject) -> None:
        """Say why this run waits, unless it waits for its time, or it was just said of another."""
        namespace, name = key_of(run)
        accepted = _acceptance(run)
        if accepted is None:
            text = (
                "no operator has taken up run %s in namespace %s: does podhatch serve this "
                "namespace? (chart value watchNamespaces)"
            )
            self._say(text, text, name, namespace)
        elif accepted.get("reason") != "Scheduled":
            message = accepted.get("message", "")
            self._say(message, "run %s waits: %s", name, message)

    def _say(self, reason: str, text: str, *arguments: str) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._said_at.get(reason, float("-inf")) > QUIET_SECONDS:
            self._said_at[reason] = now
            _logger.warning(text, *arguments)


class Waiter:
    """Holds the run as it was seen last, and a future for its end.

    Rings the alarm when the run is not taken up.
    """

    def __init__(self, run: JsonObject, alarm: Alarm) -> None:
        self._loop = asyncio.get_running_loop()
        self.run = run
        self.end: asyncio.Future[JsonObject] = self._loop.create_future()
        self._alarm = alarm
        self._timer = self._loop.call_later(PATIENCE_SECONDS, self._ring)
        self.saw(run)

    def saw(self, run: JsonObject) -> None:
        """Take notice of the run as it is now."""
        self.run = run
        accepted = _acceptance(run)
        if accepted is not None and accepted["status"] == "True":
            self._timer.cancel()
        elif accepted is not None and self._timer.cancelled() and not self.end.done():
            # It was accepted before, and now it does not go on.
            self._timer = self._loop.call_later(PATIENCE_SECONDS, self._ring)
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

    def _ring(self) -> None:
        self._alarm.ring(self.run)


def key_of(run: JsonObject) -> tuple[str, str]:
    """Return the run's namespace and name."""
    return run["metadata"]["namespace"], run["metadata"]["name"]


def _acceptance(run: JsonObject) -> JsonObject | None:
    conditions: list[JsonObject] = run.get("status", {}).get("conditions", [])
    return next((each for each in conditions if each["type"] == ACCEPTED), None)
