"""How chunks that a task streams stand in its pod's log, one line each. Standard library only.

`Context.put_stream` writes them, `runs.subscribe_to_stream` and the logs read them. The log keeps
their order, and a subscriber that comes late finds all of them.
"""

import base64
import json
from typing import TypedDict

MARK = "\x1epodhatch-stream:"
"""A log line that begins with it is a chunk."""


class Chunk(TypedDict, total=False):
    """One chunk; `number` counts from 0 in each attempt."""

    number: int
    text: str
    bytes: str
    """Base64, in place of `text`."""


def encode_chunk(number: int, data: str | bytes) -> str:
    """Return the line of a chunk, without its end."""
    chunk: Chunk = {"number": number}
    if isinstance(data, str):
        chunk["text"] = data
    else:
        chunk["bytes"] = base64.b64encode(data).decode()
    return MARK + json.dumps(chunk, separators=(",", ":"))


def decode_chunk(line: str) -> tuple[int, str | bytes] | None:
    """Return number and data of a chunk; None for any other line of a log."""
    if not line.startswith(MARK):
        return None
    try:
        chunk: Chunk = json.loads(line.removeprefix(MARK))
    except ValueError:  # cut off when its process was killed
        return None
    number = chunk.get("number", 0)
    if "bytes" in chunk:
        return number, base64.b64decode(chunk["bytes"])
    return number, chunk.get("text", "")
