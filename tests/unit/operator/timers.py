"""Time that passes only when a test says so."""

import asyncio
import heapq
import itertools
from collections.abc import Callable


class FakeTimers:
    """Keeps callbacks until their time has come."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._count = itertools.count()
        self._calls: list[tuple[float, int, asyncio.TimerHandle, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, callback: Callable[[], None], /) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, (), asyncio.get_event_loop())
        heapq.heappush(self._calls, (when, next(self._count), handle, callback))
        return handle

    def pass_time(self, seconds: float) -> None:
        """Let time pass, calling back in order."""
        end = self.now + seconds
        while self._calls and self._calls[0][0] <= end:
            when, _, handle, callback = heapq.heappop(self._calls)
            self.now = max(self.now, when)
            if not handle.cancelled():
                callback()
        self.now = end
