"""A watch stream's bytes, turned into events. Used by `Cluster.watch`."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import Literal, cast

from podhatch.api.model import JsonObject
from podhatch.cluster.errors import ApiError


@dataclass(frozen=True)
class WatchEvent:
    """One change of one object."""

    type: Literal["ADDED", "MODIFIED", "DELETED"]
    object: JsonObject


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
            return WatchEvent(
                cast('Literal["ADDED", "MODIFIED", "DELETED"]', kind), event["object"]
            )
