"""The journal of a durable task in `mock_run`: it keeps nothing, and no wait takes any time.

Waits end in the order of their times, one at a time, as a cluster would end them.
"""

import asyncio
import itertools
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from heapq import heapify, heappop, heappush
from typing import TypeVar, cast

from podhatch.api.condition import Condition, LeafCondition
from podhatch.api.model import JsonObject
from podhatch.values.codec import dump_json

T = TypeVar("T")

QUIET_TURNS = 20
"""For so many turns of the event loop no other wait begins, before the first one ends."""

MockEvents = Mapping[str, object]
"""By the key of an event: the payload that each wait for it gets, or a list with a payload for each
wait in turn, None where the event does not come."""


class MockJournal:
    """Has an answer to each call at once.

    Attributes:
        invocation: Always 1: nothing is replayed.
        branch: Always 1: nothing is reset.
    """

    invocation = 1
    branch = 1

    def __init__(self, events: MockEvents) -> None:
        self._events = events
        self._asked: dict[str, int] = {}
        """How many waits there were for each event."""
        self._now = datetime.now(UTC)
        self._ends: list[tuple[datetime, int]] = []
        """When the open waits end, and the number of each."""
        self._numbers = itertools.count()

    def now(self) -> datetime:
        """Return the time: that of the machine when it was called, and all sleeps since."""
        return self._now

    async def wait_for(
        self,
        key: str,  # noqa: ARG002 - nothing is recorded
        conditions: Sequence[JsonObject],
        label: str | None,  # noqa: ARG002
    ) -> dict[str, list[object]]:
        """Return what is met, when all sleeps that come before it are over."""
        groups = [Condition.model_validate(each).group for each in conditions]
        events = self._events_of(
            {leaf.event.key for group in groups for leaf in group if leaf.event}
        )
        met: dict[str, list[object]] = {}
        ends = self._now
        for group in groups:
            came = [leaf for leaf in group if leaf.event and leaf.event.key in events]
            if came:
                met |= {leaf.data_key: [events[leaf.event.key]] for leaf in came if leaf.event}
                continue
            first = min((leaf for leaf in group if leaf.sleep_seconds), key=_seconds, default=None)
            if first is None:
                raise LookupError(_never(group))
            met[first.data_key] = [{}]
            ends = max(ends, self._now + timedelta(seconds=_seconds(first)))
        await self._until(ends)
        return met

    async def memo(
        self,
        key: str,  # noqa: ARG002
        make: Callable[[], Awaitable[str]],
        label: str | None,  # noqa: ARG002
    ) -> str:
        """Return what is made."""
        return await make()

    async def child(
        self,
        key: str,  # noqa: ARG002
        name: str,  # noqa: ARG002
        start: Callable[[], Awaitable[None]],
        read: Callable[[], Awaitable[T]],
        label: str | None,  # noqa: ARG002
    ) -> T:
        """Start the child run, and return what `read` does."""
        await start()
        return await read()

    def _events_of(self, keys: set[str]) -> dict[str, object]:
        """Return the payloads of the events that come in this wait, by their keys."""
        found: dict[str, object] = {}
        for key in keys & self._events.keys():
            given = self._events[key]
            turn = self._asked.get(key, 0)
            self._asked[key] = turn + 1
            if isinstance(given, list):
                payloads = cast("list[object]", given)
                given = payloads[turn] if turn < len(payloads) else None
            if given is not None:
                found[key] = json.loads(dump_json(given))
        return found

    async def _until(self, moment: datetime) -> None:
        """Let the waits that end earlier come first, and what is done after them."""
        mine = (moment, next(self._numbers))
        heappush(self._ends, mine)
        try:
            while True:
                known = len(self._ends)
                for _ in range(QUIET_TURNS):
                    await asyncio.sleep(0)
                if self._ends[0] == mine and len(self._ends) == known:
                    break
        except BaseException:
            self._ends.remove(mine)
            heapify(self._ends)
            raise
        heappop(self._ends)
        self._now = max(self._now, moment)


def _seconds(leaf: LeafCondition) -> float:
    return leaf.sleep_seconds or 0.0


def _never(group: Sequence[LeafCondition]) -> str:
    keys = [leaf.event.key for leaf in group if leaf.event]
    if not keys:
        return "a durable task waits for sleeps and events only"
    return (
        f"the task waits for event {' or '.join(keys)}, which does not come: pass "
        f"events={{{keys[0]!r}: ...}} to mock_run with its payload, or None in a list of payloads "
        "where a sleep beside it is to end the wait"
    )
