"""Streams of the API server: watches and logs, turned into events and lines."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import UTC, datetime
from typing import cast

from podhatch.api.model import JsonObject
from podhatch.cluster.errors import ApiError
from podhatch.cluster.protocol import EventType, LogLine, WatchEvent


async def lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    """Split a stream into lines of any length; aiohttp's own line reader stops at 128 KiB."""
    parts: list[bytes] = []
    async for chunk in chunks:
        *ended, rest = chunk.split(b"\n")
        for end in ended:
            parts.append(end)
            yield b"".join(parts)
            parts.clear()
        parts.append(rest)


def decode(line: bytes) -> WatchEvent | None:
    """Return the event of one line; None for a bookmark.

    Raises:
        ApiError: the API server ended the watch with an error, such as 410 Expired.
    """
    event: JsonObject = json.loads(line)
    match event["type"]:
        case "ERROR":
            raise ApiError.from_status(500, event["object"])
        case "BOOKMARK":
            return None
        case kind:
            return WatchEvent(cast("EventType", kind), event["object"])


async def log_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[LogLine, None]:
    """Split a log with timestamps into lines; its last line may have no end.

    Raises:
        ApiError: 404 NotFound: the node answered that the log is gone.
    """
    rest = b""
    async for chunk in chunks:
        *ended, rest = (rest + chunk).split(b"\n")
        for line in ended:
            yield _log_line(line.decode(errors="replace"))
    if rest:
        yield _log_line(rest.decode(errors="replace"))


def _log_line(line: str) -> LogLine:
    stamp, _, text = line.partition(" ")
    try:
        return LogLine(datetime.fromisoformat(stamp).astimezone(UTC), text.removesuffix("\r"))
    except ValueError:
        raise ApiError(404, "NotFound", line) from None
