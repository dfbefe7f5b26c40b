"""The log of one container in memory, which may be followed while it grows."""

import asyncio
from collections.abc import AsyncGenerator
from datetime import datetime

from podhatch.cluster import LogLine


class FakeLog:
    def __init__(self, *lines: LogLine, ended: bool = False) -> None:
        self._lines = list(lines)
        self._ended = ended
        self._cuts = 0
        self._changed = asyncio.Condition()

    async def write(self, line: LogLine) -> None:
        async with self._changed:
            self._lines.append(line)
            self._changed.notify_all()

    async def end(self) -> None:
        """Let the container end."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def cut(self) -> None:
        """Lose the connections of those who follow."""
        async with self._changed:
            self._cuts += 1
            self._changed.notify_all()

    async def read(self, *, follow: bool, since: datetime | None) -> AsyncGenerator[LogLine, None]:
        seen, cuts = 0, self._cuts
        while True:
            for line in self._lines[seen:]:
                seen += 1
                if since is None or line.time >= since.replace(microsecond=0):
                    yield line
            async with self._changed:
                if cuts != self._cuts or self._ended or not follow:
                    return
                if seen == len(self._lines):
                    await self._changed.wait()
