"""What stands in for the cluster: `run_local` and the test plugin put a session of theirs here.

Asked wherever a run would reach for a cluster. Standard library only.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.client.session import Session

_here: "ContextVar[Session | None]" = ContextVar("podhatch_substitute", default=None)
_everywhere: "list[Callable[[], Session]]" = []


def current() -> "Session | None":
    """Return the session to use in place of a cluster's; None when there is none."""
    return _here.get() or (_everywhere[-1]() if _everywhere else None)


@contextmanager
def used_here(session: "Session") -> Generator[None]:
    """Use it in this context alone: in this thread or asyncio task, and what they start."""
    token = _here.set(session)
    try:
        yield
    finally:
        _here.reset(token)


@contextmanager
def used_everywhere(session: "Session") -> Generator[None]:
    """Use it in the whole process."""

    def get() -> "Session":
        return session

    _everywhere.append(get)
    try:
        yield
    finally:
        _everywhere.remove(get)


def use_when_asked(make: "Callable[[], Session]") -> None:
    """Make one for the whole process, until its end, when it is asked for first."""
    _everywhere.append(cache(make))
