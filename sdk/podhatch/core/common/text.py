"""Texts measured and cut in bytes, where what holds them counts bytes and not characters."""

import json
from bisect import bisect_right


def json_size(value: object) -> int:
    """Return the bytes of a value as JSON text in UTF-8."""
    return len(json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))


def cut(text: str, size: int) -> str:
    """Return the longest start of a text that takes at most so many bytes as JSON, unquoted."""
    if 6 * len(text) <= size:  # no character takes more
        return text
    ends = range(len(text) + 1)
    longest = bisect_right(ends, size + 2, key=lambda end: json_size(text[:end])) - 1
    return text[: max(longest, 0)]
