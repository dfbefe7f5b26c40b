"""Checks values that users pass: JSON as the API server stores it, metadata, lists, keywords.

The API server reads the numbers of inputs and payloads into 64-bit integers, or else into floats,
which rounds whole numbers outside that range. So they are refused before they are sent, with their
path. The API server drops all but one of an object's equal keys; these are refused too.
"""

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias, TypeGuard, TypeVar, cast

T = TypeVar("T")
Path: TypeAlias = tuple[str | int, ...]

NOT_FINITE = "expected a finite number"
INTEGERS = range(-(2**63), 2**63)


def load_json(text: str) -> object:
    """Return the value of JSON text.

    Numbers that are not finite are left to `check_stored`, which says where they are.

    Raises:
        ValueError: It is not JSON, or an object in it holds a key twice.
    """
    return json.loads(text, object_pairs_hook=_with_unique_keys)


def check_stored(subject: str, value: object) -> None:
    """Raise ValueError for a number that the API server would not keep; the text says where."""
    for path, problem in number_problems(value):
        raise ValueError(f"{subject}: {path_text(path)}{problem}")


def number_problems(value: object, path: Path = ()) -> Iterator[tuple[Path, str]]:
    """Yield the path and the problem of each number that the API server does not keep."""
    if isinstance(value, dict):
        for key, held in cast("dict[str, object]", value).items():
            if not isinstance(held, str):
                yield from number_problems(held, (*path, key))
    elif isinstance(value, list):
        for index, held in enumerate(cast("list[object]", value)):
            if not isinstance(held, str):
                yield from number_problems(held, (*path, index))
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield path, f"{NOT_FINITE}, got {value}"
    elif isinstance(value, int) and value not in INTEGERS:
        yield path, f"{_shown(value)} does not fit 64 bits, so it would be rounded: pass a string"


def unexpected(place: str, expected: str, value: object) -> ValueError:
    """Return the error of a value that an option does not take."""
    return ValueError(f"{place}: expected {expected}, got {value!r}")


def is_text(value: object) -> TypeGuard[str]:
    """Tell whether a value is a string that is not empty."""
    return isinstance(value, str) and bool(value)


def is_whole(value: object, low: int, high: int) -> TypeGuard[int]:
    """Tell whether a value is a whole number in a range. A bool is an int, but no number here."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def listed(place: str, values: Iterable[T]) -> list[T]:
    """Return the values as a list; raise ValueError for a string, or a single value."""
    if isinstance(values, str) or not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise unexpected(place, "a list", values)
    return list(values)


def metadata_texts(subject: str, metadata: Mapping[str, object] | None) -> dict[str, str]:
    """Return metadata of a run or event as it travels: a text as it is, else its JSON text."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise unexpected(subject, "a mapping from names to values", metadata)
    for key in metadata:
        if not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise unexpected(f"{subject}: a name", "a string", key)
    return {key: _json_text(f"{subject}[{key!r}]", value) for key, value in metadata.items()}


def refuse_unknown(subject: str, options: Mapping[str, object], known: type) -> None:
    """Raise TypeError for an option that is not in a TypedDict: left out, it would mislead."""
    for name in options:
        if name not in known.__annotations__:
            hint = did_you_mean(name, known.__annotations__)
            raise TypeError(f"{subject}: there is no option {name!r}{hint}")


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return a question with the most similar name, to append to a message."""
    from difflib import get_close_matches

    nearest = get_close_matches(str(name), list(names), n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]}?" if nearest else ""


def path_text(path: Path) -> str:
    """Return a path as a prefix for a sentence: `order.items[0].id: `, or nothing at the root."""
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return f"{''.join(parts).removeprefix('.')}: " if path else ""


def _shown(number: int) -> str:
    if number.bit_length() > 200:  # Python refuses to write very long ones
        return "a whole number"
    return str(number)


def _with_unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"an object holds the key {key[:100]!r} twice")
        found[key] = value
    return found


def _json_text(subject: str, value: object) -> str:
    if isinstance(value, str):
        return value
    try:
        text = json.dumps(value, allow_nan=False)
        load_json(text)
        return text
    except (TypeError, ValueError):
        raise ValueError(f"{subject}: {value!r} is neither a text nor JSON") from None
