"""What stands in for the cluster: `run_local` and the test plugin put a session of theirs here.

Asked wherever a run would reach for a cluster. Standard library only.
"""

import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import TYPE_CHECKING

from podhatch.errors import InvalidRun

if TYPE_CHECKING:
    from podhatch.client.session import Session

_here: "ContextVar[Session | None]" = ContextVar("podhatch_substitute", default=None)
_caller: ContextVar[int | None] = ContextVar("podhatch_caller", default=None)
"""The thread that the portal works for."""
_open: "list[tuple[Session, int | None]]" = []
"""What is used in some context, and the thread that asked for it unless it is a task's own."""
_everywhere: "list[Callable[[], Session]]" = []


def current() -> "Session | None":
    """Return the session to use in place of a cluster's; None when there is none.

    Raises:
        InvalidRun: It cannot be told which of several.
    """
    return _here.get() or _without_context() or (_everywhere[-1]() if _everywhere else None)


@contextmanager
def used_here(session: "Session") -> Generator[None]:
    """Use it in this context alone: in this thread or asyncio task, and what they start."""
    thread = _thread()
    opened = session, thread if _here.get() is None and _is_nobodys(thread) else None
    token = _here.set(session)
    _open.append(opened)
    try:
        yield
    finally:
        _open.remove(opened)
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


@contextmanager
def asked_from_here() -> Generator[None]:
    """Let what another thread is handed within count as this thread's."""
    token = _caller.set(_thread())
    try:
        yield
    finally:
        _caller.reset(token)


def _without_context() -> "Session | None":
    """Return the session for a thread that a task has started without its context.

    A pool's thread knows nothing of the run that it works for, and the cluster must not get what a
    local run starts.
    """
    opened = _open.copy()
    if _is_nobodys(_thread()):
        return None
    if len(opened) > 1:
        raise InvalidRun(
            "several local runs are under way, and this thread does not know for which of them it "
            "starts a run: hand its function over as contextvars.copy_context().run, function"
        )
    return opened[0][0] if opened else None


def _is_nobodys(thread: int) -> bool:
    """Tell whether no task can have started it: what waits for a local run may run others too."""
    askers = [asker for _, asker in _open]
    return not askers or thread in askers or thread == threading.main_thread().ident


def _thread() -> int:
    return _caller.get() or threading.get_ident()
