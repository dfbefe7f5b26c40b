"""How chunks that a task streams stand in its pod's log, one line each. Standard library only.

`Context.put_stream` writes them, `runs.subscribe_to_stream` and the logs read them. The log keeps
their order, and a subscriber that comes late finds all of them.
"""

import binascii
import json
from collections.abc import Iterator
from typing import TypedDict

MARK = "\x02podhatch-stream:"
"""What a chunk in a line of a log begins with. (No character that `str.splitlines` splits at.)"""
MAX_TEXT = 1_300
MAX_BYTES = 11_000
"""Characters and bytes of a chunk, whose line then stays below 16 KiB: container runtimes cut up
longer ones, and lines of stderr can come in between."""


class Chunk(TypedDict, total=False):
    """One chunk; `number` counts from 0 in each attempt."""

    number: int
    text: str
    bytes: str
    """Base64, in place of `text`."""


def chunk_lines(number: int, data: str | bytes) -> Iterator[str]:
    """Yield the lines of some data: one, or as many as a long one is cut into.

    Args:
        number: Number of the first chunk.
        data: What is streamed; empty data is a chunk too.
    """
    size = MAX_TEXT if isinstance(data, str) else MAX_BYTES
    for start in range(0, len(data) or 1, size):
        yield encode_chunk(number, data[start : start + size])
        number += 1


def encode_chunk(number: int, data: str | bytes) -> str:
    """Return the line of a chunk, without its end."""
    chunk: Chunk = {"number": number}
    if isinstance(data, str):
        chunk["text"] = data
    else:
        chunk["bytes"] = binascii.b2a_base64(data, newline=False).decode()
    return MARK + json.dumps(chunk, separators=(",", ":"))


def decode_chunk(line: str) -> tuple[int, str | bytes] | None:
    """Return number and data of a chunk; None for any other line of a log.

    A text that the task printed without an end of line may stand before the chunk.
    """
    _, mark, text = line.rpartition(MARK)
    if not mark:
        return None
    try:
        chunk: Chunk = json.loads(text)
    except ValueError:  # cut off when its process was killed
        return None
    number = chunk.get("number", 0)
    if "bytes" in chunk:
        return number, binascii.a2b_base64(chunk["bytes"])
    return number, chunk.get("text", "")
