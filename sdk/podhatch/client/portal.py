"""One background thread with an event loop, in which all talk with clusters happens.

So sync and async callers, in scripts, notebooks and running loops, share one implementation and one
set of connections. It starts with the first run, and anew in a forked process.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from podhatch.client import substitute
from podhatch.errors import FailedTaskRunExceptionGroup, PodhatchError

T = TypeVar("T")

_lock = threading.Lock()
_portals: "list[Portal]" = []
"""That of this process comes last. After a fork its parent's stays before it, so that sockets which
belong to the parent are not closed here."""


class Portal:
    """The thread, its loop, and what must be closed with it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.resources = AsyncExitStack()
        self._thread = threading.Thread(target=self._serve, name="podhatch", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start the coroutine in the portal's loop."""
        with substitute.asked_from_here():
            return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def close(self) -> None:
        """Close connections and end the thread."""
        self.submit(self.resources.aclose()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    @property
    def is_here(self) -> bool:
        """Whether the caller is in the portal's own thread."""
        return threading.current_thread() is self._thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()


def portal() -> Portal:
    """Return this process's portal, which starts when first asked for."""
    with _lock:
        if not _portals or _portals[-1].pid != os.getpid():
            _portals.append(Portal())
        return _portals[-1]


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine in the portal and return its result; an interrupt ends it.

    Raises:
        RuntimeError: This is the portal's thread, which would wait for itself for ever.
    """
    if portal().is_here:
        coroutine.close()
        raise RuntimeError(
            "podhatch was asked to wait in its own background thread, which does the work: ask it "
            "in another thread"
        )
    future = portal().submit(coroutine)
    try:
        return future.result()
    except (PodhatchError, FailedTaskRunExceptionGroup) as error:
        raise error.with_traceback(None) from None
    finally:
        future.cancel()


async def aio_wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Do what `wait` does, in the caller's event loop."""
    try:
        return await asyncio.wrap_future(portal().submit(coroutine))
    except (PodhatchError, FailedTaskRunExceptionGroup) as error:
        raise error.with_traceback(None) from None


def shut_down() -> None:
    """Close this process's portal, if there is one; a later run starts another."""
    with _lock:
        if _portals and _portals[-1].pid == os.getpid():
            _portals.pop().close()


def _renew_lock() -> None:
    """A thread of the parent may have held it while the process forked."""
    global _lock
    _lock = threading.Lock()


atexit.register(shut_down)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_lock)
