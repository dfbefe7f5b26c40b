"""Texts measured and cut in bytes, where what holds them counts bytes and not characters."""

import json
import math
from bisect import bisect_right
from collections import Counter
from functools import lru_cache
from json.encoder import encode_basestring

from podhatch.api.pod import MAX_OUTPUT_BYTES
from podhatch.core.expressions.input_check import MAX_DEPTH, depth_problem

MAX_DIGITS = 20
"""Of a number in a label, an annotation or a version."""
_ESCAPED = "<>&\u2028\u2029"
_encode = json.JSONEncoder(ensure_ascii=False).encode


def json_size(value: object) -> int:
    """Return the bytes of a value as JSON text in UTF-8."""
    return len(_encode(value).encode("utf-8", "surrogatepass"))


def stored_size(value: object) -> int:
    """Return the bytes of a value as the API server stores and sends it, at most.

    It writes six bytes for each of <, > and &, and for two separators of lines.
    """
    text = _encode(value)
    return len(text.encode("utf-8", "surrogatepass")) + 5 * sum(map(text.count, _ESCAPED))


def text_size(text: str) -> int:
    """Return the bytes of a text as JSON in UTF-8."""
    return len(encode_basestring(text).encode("utf-8", "surrogatepass"))


def cut(text: str, size: int) -> str:
    """Return the longest start of a text that takes at most so many bytes as JSON, unquoted."""
    start = text[: max(size, 0)]  # no character takes less than a byte
    if text_size(start) <= size + 2:
        return start
    ends = range(len(start) + 1)
    longest = bisect_right(ends, size + 2, key=lambda end: text_size(start[:end])) - 1
    return start[: max(longest, 0)]


@lru_cache(maxsize=64)
def output_problem(text: str) -> str | None:
    """Say why a text is not exactly one JSON value, or return None.

    Each object holds a key once and each number is finite, so that all who read it read the same.
    """
    if len(text) > MAX_OUTPUT_BYTES or len(text.encode(errors="surrogatepass")) > MAX_OUTPUT_BYTES:
        return f"it is longer than {MAX_OUTPUT_BYTES} bytes"
    try:
        value = json.loads(
            text,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            object_pairs_hook=_with_unique_keys,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return "it holds half of a surrogate pair, which is not Unicode"
    except ValueError as error:
        return str(error)
    except RecursionError:
        return f"nested more than {MAX_DEPTH} levels deep: flatten it"
    return depth_problem(value, "its value")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is larger than any number that programs can read")
    return number


def _with_unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        [(twice, _)] = Counter(key for key, _ in pairs).most_common(1)
        raise ValueError(f"an object holds the key {twice[:100]!r} twice")
    return found


def whole_number(text: str | None, digits: int = MAX_DIGITS) -> int | None:
    """Return the number that a label, annotation or version says; None if it says none.

    One with more digits than any that podhatch or Kubernetes writes is none: Python refuses some.
    """
    return int(text) if text and text.isdecimal() and len(text) <= digits else None
