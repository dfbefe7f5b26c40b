"""Lists of one namespace: filtered and paged by the API server, as far as it can.

A list returns `Rows`: a page of rows under the names of the Hatchet SDK. No more pages are read
from the API server than are needed to fill it.
"""

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from podhatch.api.model import ApiObject
from podhatch.client.explain import explained
from podhatch.client.objects import model_kind
from podhatch.client.session import Session

Row = TypeVar("Row", covariant=True)


@dataclass(frozen=True)
class Metadata:
    """Identity of an object."""

    id: str
    """Its name in the cluster, which every method takes."""
    created_at: datetime
    """When it was created, in UTC."""
    namespace: str
    """Where it is."""


@dataclass(frozen=True)
class Pagination:
    """The place of a page. The number of pages is not known before the last one."""

    current_page: int
    """Number of this page, from 1."""
    next_page: int | None
    """Number of the next one; None when this is the last."""
    num_pages: int
    """Pages known so far: this one, and the next if there is one."""


@dataclass(frozen=True)
class Rows(Generic[Row]):
    """One page of a list."""

    rows: list[Row]
    """The rows, the newest first. Pages follow the order of names, in which the API server
    lists."""
    pagination: Pagination
    """The place of the page."""


def metadata_of(stored: ApiObject) -> Metadata:
    """Return the identity of an object that the cluster holds."""
    meta = stored.metadata
    assert meta.creation_timestamp, "the API server gives every object one"
    return Metadata(meta.name, meta.creation_timestamp, meta.namespace)


DEFAULT_LIMIT = 100
MAX_PAGE_SIZE = 500
SCANNED_PAGE_SIZE = 100
"""How many items are read at once if few may match."""

Model = TypeVar("Model", bound=ApiObject)
T = TypeVar("T")


@dataclass(frozen=True)
class Window:
    """The part of a list that is returned."""

    offset: int = 0
    """Number of items to skip."""
    limit: int = DEFAULT_LIMIT
    """Maximum number of items."""

    @classmethod
    def of(cls, offset: int | None, limit: int | None) -> "Window":
        """Return the window of a caller's arguments; None means the default."""
        window = cls(offset or 0, DEFAULT_LIMIT if limit is None else limit)
        if window.offset < 0:
            raise ValueError(f"offset: expected at least 0, got {offset}")
        if window.limit < 1:
            raise ValueError(f"limit: expected at least 1, got {limit}")
        return window

    @property
    def reach(self) -> int:
        """How many items are read: those of the window and the next one, if there is one."""
        return self.offset + self.limit + 1

    async def of_all(self, items: AsyncGenerator[T, None]) -> tuple[list[T], Pagination]:
        """Return the items in the window, and the place of the page; the rest is not read."""
        found: list[T] = []
        seen = 0
        async with aclosing(items):
            async for each in items:
                seen += 1
                if seen == self.reach:
                    break
                if seen > self.offset:
                    found.append(each)
        number, more = self.offset // self.limit + 1, seen == self.reach
        return found, Pagination(number, number + 1 if more else None, number + more)


@dataclass(frozen=True)
class Query(Generic[Model]):
    """What to list."""

    model: type[Model]
    """The class of the objects."""
    selectors: Sequence[str] = ("",)
    """Field selectors, asked one after the other; no object may match two of them."""
    keep: Callable[[Model], bool] | None = None
    """A filter that the API server cannot apply; None for none."""


async def find(
    session: Session, query: Query[Model], window: Window
) -> tuple[list[Model], Pagination]:
    """Return the objects in a window of a list, the newest first, and the place of the page."""
    found, page = await window.of_all(find_all(session, query, window.reach))
    found.sort(key=_age)
    return found, page


async def rows(
    session: Session, query: Query[Model], window: Window, row: Callable[[Model], T]
) -> Rows[T]:
    """Return the rows of the objects in a window of a list."""
    found, page = await find(session, query, window)
    return Rows([row(each) for each in found], page)


async def find_all(
    session: Session, query: Query[Model], at_most: int | None = None
) -> AsyncGenerator[Model, None]:
    """Yield what a list holds, in the API server's order; the caller will take `at_most`."""
    wanted = MAX_PAGE_SIZE if at_most is None else min(at_most, MAX_PAGE_SIZE)
    size = wanted if query.keep is None else max(wanted, SCANNED_PAGE_SIZE)
    kind = model_kind(query.model)
    for selector in query.selectors:
        pages = session.cluster.pages(
            kind, session.namespace, field_selector=selector, page_size=size
        )
        with explained(kind.kind, session.namespace):
            async with aclosing(pages):
                async for page, _ in pages:
                    for each in map(query.model.model_validate, page):
                        if query.keep is None or query.keep(each):
                            yield each


def _age(each: ApiObject) -> float:
    """Order the newest first."""
    created_at = each.metadata.creation_timestamp
    return -created_at.timestamp() if created_at else 0
