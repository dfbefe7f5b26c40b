"""Checks outputs that pods reported, before anything is made of them.

Outputs are put together as texts, so that numbers stay exactly as they are. A text that is one JSON
value in itself cannot reach into what stands beside it.
"""

import json
import math
from collections import Counter
from functools import lru_cache

from podhatch.api.pod import MAX_OUTPUT_BYTES
from podhatch.core.expressions.input_check import MAX_DEPTH, depth_problem


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
