"""The work queue: keys to reconcile, each at most once in it and with one worker at a time.

The rules are client-go's: a key added while it waits is one key; a key added while a worker has it
comes back when the worker is done; a key that failed comes back later each time.
"""

import asyncio
import heapq
import random
from collections.abc import Callable
from typing import Protocol

from podhatch_operator.keys import Key
from podhatch_operator.metrics import Metrics

FIRST_RETRY_SECONDS = 0.05
LAST_RETRY_SECONDS = 60.0


class Timers(Protocol):
    """The part of an event loop that knows the time."""

    def time(self) -> float:
        """Return seconds, growing steadily."""
        ...

    def call_at(self, when: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        """Call back at that time."""
        ...


class Queue:
    """Keys that wait, keys that workers have, and keys that come back at a time."""

    def __init__(self, timers: Timers, metrics: Metrics) -> None:
        self._timers = timers
        self._metrics = metrics
        self._ready: asyncio.Queue[Key | None] = asyncio.Queue()
        self._dirty: dict[Key, float] = {}
        """Keys that wait, or that are to be reconciled once more, and since when."""
        self._processing: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._appointments: dict[Key, float] = {}
        self._calendar: list[tuple[float, Key]] = []
        self._alarm: tuple[float, asyncio.TimerHandle] | None = None
        self._closed = False

    def __len__(self) -> int:
        return self._ready.qsize()

    def add(self, key: Key) -> None:
        """Reconcile the key, now or again after the reconcile in progress."""
        if self._closed or key in self._dirty:
            return
        self._dirty[key] = self._timers.time()
        self._metrics.queue_adds.inc()
        if key not in self._processing:
            self._push(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Add the key then. A key has one appointment: a new one takes the place of the old."""
        if self._closed:
            return
        when = self._timers.time() + max(seconds, 0.0)
        self._appointments[key] = when
        heapq.heappush(self._calendar, (when, key))
        if len(self._calendar) > 2 * len(self._appointments) + 100:  # most of it was replaced
            self._calendar = [(when, key) for key, when in self._appointments.items()]
            heapq.heapify(self._calendar)
        self._set_alarm()

    def retry(self, key: Key, within: float | None = None) -> None:
        """Add the key later, twice as late at each failure in a row, but within these seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._metrics.queue_retries.inc()
        limit = min(FIRST_RETRY_SECONDS * 2 ** min(failures, 30), LAST_RETRY_SECONDS)
        delay = limit * random.uniform(0.5, 1.0)
        self.add_after(key, delay if within is None else min(delay, within))

    def forget(self, key: Key) -> None:
        """The key was reconciled: its next failure is the first again."""
        self._failures.pop(key, None)

    def cancel_appointment(self, key: Key) -> None:
        """Drop the key's appointment."""
        self._appointments.pop(key, None)

    async def get(self) -> Key | None:
        """Return a key, which no other worker gets before `done`; None when the queue is closed."""
        key = await self._ready.get()
        if key is None or self._closed:
            self._ready.put_nowait(None)  # for the next worker
            return None
        now = self._timers.time()
        self._metrics.queue_depth.set(self._ready.qsize())
        self._metrics.queue_duration.observe(now - self._dirty.pop(key))
        self._processing[key] = now
        return key

    def done(self, key: Key) -> None:
        """The worker is done with the key."""
        started = self._processing.pop(key)
        self._metrics.work_duration.observe(self._timers.time() - started)
        if key in self._dirty and not self._closed:
            self._push(key)

    def close(self) -> None:
        """Give out no more keys."""
        self._closed = True
        self._ready.put_nowait(None)
        if self._alarm is not None:
            self._alarm[1].cancel()

    def longest_running(self) -> float:
        """Return how many seconds the oldest reconcile under way has taken so far."""
        now = self._timers.time()
        return max((now - started for started in self._processing.values()), default=0.0)

    def _push(self, key: Key) -> None:
        self._ready.put_nowait(key)
        self._metrics.queue_depth.set(self._ready.qsize())

    def _set_alarm(self) -> None:
        while (
            self._calendar and self._appointments.get(self._calendar[0][1]) != self._calendar[0][0]
        ):
            heapq.heappop(self._calendar)
        if not self._calendar:
            return
        when = self._calendar[0][0]
        if self._alarm is not None:
            if self._alarm[0] <= when:
                return
            self._alarm[1].cancel()
        self._alarm = (when, self._timers.call_at(when, self._ring))

    def _ring(self) -> None:
        self._alarm = None
        now = self._timers.time()
        while self._calendar and self._calendar[0][0] <= now:
            when, key = heapq.heappop(self._calendar)
            if self._appointments.get(key) == when:
                del self._appointments[key]
                self.add(key)
        self._set_alarm()
