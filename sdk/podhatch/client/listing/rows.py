"""What the feature clients return, in parts: whose row it is, the rows of a page, the page.

Field names are those of the Hatchet SDK.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from podhatch.api.model import ApiObject

Row = TypeVar("Row", covariant=True)


@dataclass(frozen=True)
class Metadata:
    """Identity of an object.

    Attributes:
        id: Its name in the cluster, by which every method takes it.
        created_at: When it was created, in UTC.
        namespace: Where it is.
    """

    id: str
    created_at: datetime
    namespace: str


@dataclass(frozen=True)
class Pagination:
    """Where a page stands. How many there are is not known before the last one.

    Attributes:
        current_page: Number of this page, from 1.
        next_page: Number of the next one; None when this is the last.
        num_pages: Pages known so far: this one, and the next if there is one.
    """

    current_page: int
    next_page: int | None
    num_pages: int


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """One page of a list.

    Attributes:
        rows: What it holds, the newest first. Which rows stand on which page is the order of
            their names, in which the API server lists.
        pagination: Where the page stands.
    """

    rows: list[Row]
    pagination: Pagination


def metadata_of(stored: ApiObject) -> Metadata:
    """Return the identity of an object that the cluster holds."""
    meta = stored.metadata
    assert meta.creation_timestamp, "the API server gives every object one"
    return Metadata(meta.name, meta.creation_timestamp, meta.namespace)
