"""What the filters of lists have in common, whatever is listed. Standard library only.

What is None asks for nothing. What is empty lets nothing pass: a list of names that came out empty
means no workflow, and never all of them.
"""

from collections.abc import Iterable, Sized
from typing import TypeVar

from podhatch.values.parsing import listed

T = TypeVar("T")


def chosen(name: str, values: Iterable[T] | None) -> list[T] | None:
    """Return the values of a filter as a list; None stays None.

    Raises:
        ValueError: They are a text, or a single thing; `name` is that of the filter.
    """
    return None if values is None else listed(name, values)


def nothing_passes(*filters: Sized | None) -> bool:
    """Tell whether one of the filters is empty."""
    return any(each is not None and not len(each) for each in filters)
