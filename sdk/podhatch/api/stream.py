"""The format of streamed chunks in the log of a task's pod, one line for each chunk.

`Context.put_stream` writes them, `runs.subscribe_to_stream` and the logs read them. The log keeps
their order, so a late subscriber receives all of them.
"""

import binascii
import json
from collections.abc import Iterator
from typing import TypedDict

MARK = "\x02podhatch-stream:"
"""The prefix of a chunk in a log line, without any character at which `str.splitlines` splits."""
MAX_TEXT = 1_300
MAX_BYTES = 11_000
"""The maximum characters and bytes of a chunk. Its line stays below 16 KiB, because container
runtimes split longer lines, and lines of stderr may come between the parts."""


class Chunk(TypedDict, total=False):
    """One chunk; `number` counts from 0 in each attempt."""

    number: int
    text: str
    bytes: str
    """Base64, instead of `text`."""


def chunk_lines(number: int, data: str | bytes) -> Iterator[str]:
    """Yield the lines for some data: one, or several for long data.

    Args:
        number: Number of the first chunk.
        data: The data to stream; empty data is one chunk.
    """
    size = MAX_TEXT if isinstance(data, str) else MAX_BYTES
    for start in range(0, len(data) or 1, size):
        yield encode_chunk(number, data[start : start + size])
        number += 1


def encode_chunk(number: int, data: str | bytes) -> str:
    """Return the line of a chunk, without a newline."""
    chunk: Chunk = {"number": number}
    if isinstance(data, str):
        chunk["text"] = data
    else:
        chunk["bytes"] = binascii.b2a_base64(data, newline=False).decode()
    return MARK + json.dumps(chunk, separators=(",", ":"))


def decode_chunk(line: str) -> tuple[int, str | bytes] | None:
    """Return number and data of a chunk; None for any other line of a log.

    Text that the task printed without a newline may precede the chunk.
    """
    _, mark, text = line.rpartition(MARK)
    if not mark:
        return None
    try:
        chunk: Chunk = json.loads(text)
    except ValueError:  # truncated because the process was killed
        return None
    number = chunk.get("number", 0)
    if "bytes" in chunk:
        return number, binascii.a2b_base64(chunk["bytes"])
    return number, chunk.get("text", "")
