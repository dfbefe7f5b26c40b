"""The session to use in place of a cluster's: local runs and the test plugin set one of theirs.

It is found by context variables, which podhatch hands on to every thread that it starts. A thread
that the user's code starts has it where its context was copied: `contextvars.copy_context().run`,
`asyncio.to_thread`.
"""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.client.session import Session

_here: "ContextVar[Session | None]" = ContextVar("podhatch_session_override", default=None)
_everywhere: "list[Callable[[], Session]]" = []


def current() -> "Session | None":
    """Return the session to use in place of a cluster's; None when there is none."""
    return _here.get() or (_everywhere[-1]() if _everywhere else None)


@contextmanager
def set_here(session: "Session") -> Generator[None]:
    """Use it in this context alone: in this thread or asyncio task, and what they start."""
    token = _here.set(session)
    try:
        yield
    finally:
        _here.reset(token)


@contextmanager
def set_everywhere(session: "Session") -> Generator[None]:
    """Use it in the whole process."""

    def get() -> "Session":
        return session

    _everywhere.append(get)
    try:
        yield
    finally:
        _everywhere.remove(get)


def set_for_process(make: "Callable[[], Session]") -> None:
    """Use it in the whole process, until its end; it is made when it is first needed."""
    _everywhere.append(cache(make))
