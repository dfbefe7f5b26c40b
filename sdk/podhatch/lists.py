"""Lists as callers give them. Standard library only, since definitions are loaded in every pod."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def listed(place: str, values: Iterable[T]) -> list[T]:
    """Return the values as a list, which can be read more than once, unlike a generator.

    Raises:
        ValueError: They are a text, or a single thing; `place` is named.
    """
    if isinstance(values, str) or not isinstance(values, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"{place}: {values!r} is no list: write it as one, in brackets")
    return list(values)
