"""One background thread with an event loop, in which all talk with clusters happens.

So sync and async callers, in scripts, notebooks and running loops, share one implementation and one
set of connections. The thread starts with the first run, and anew in a forked process.
"""

import asyncio
import atexit
import os
import threading
from collections.abc import AsyncGenerator, Coroutine
from concurrent.futures import Future
from contextlib import AsyncExitStack
from typing import Any, Final, TypeVar

from podhatch.errors import FailedTaskRunExceptionGroup, PodhatchError

T = TypeVar("T")

_END: Final = object()
_lock = threading.Lock()
_loops: "list[BackgroundLoop]" = []
"""That of this process comes last. After a fork its parent's stays before it, so that sockets which
belong to the parent are not closed here."""


class BackgroundLoop:
    """The thread, its loop, and what must be closed with it."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.loop = asyncio.new_event_loop()
        self.resources = AsyncExitStack()
        self._thread = threading.Thread(target=self._serve, name="podhatch", daemon=True)
        self._thread.start()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> "Future[T]":
        """Start the coroutine in the loop, in a copy of the caller's context."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop)

    def close(self) -> None:
        """Close connections and end the thread."""
        self.submit(self.resources.aclose()).result()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()

    @property
    def is_here(self) -> bool:
        """Whether the caller is in the loop's own thread."""
        return threading.current_thread() is self._thread

    def _serve(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()
        self.loop.close()


def get() -> BackgroundLoop:
    """Return the loop of this process, and start it if there is none."""
    with _lock:
        if not _loops or _loops[-1].pid != os.getpid():
            _loops.append(BackgroundLoop())
        return _loops[-1]


def wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine in the background loop and return its result; an interrupt cancels it.

    Raises:
        RuntimeError: The caller is in the loop's own thread, which would wait for itself forever.
    """
    background = get()
    if background.is_here:
        coroutine.close()
        raise RuntimeError(
            "podhatch cannot wait in its own background thread, which does the work: call it in "
            "another thread"
        )
    future = background.submit(coroutine)
    try:
        return future.result()
    except (PodhatchError, FailedTaskRunExceptionGroup) as error:
        raise error.with_traceback(None) from None
    finally:
        future.cancel()


async def aio_wait(coroutine: Coroutine[Any, Any, T]) -> T:
    """Do what `wait` does, in the caller's event loop."""
    try:
        return await asyncio.wrap_future(get().submit(coroutine))
    except (PodhatchError, FailedTaskRunExceptionGroup) as error:
        raise error.with_traceback(None) from None


async def relayed(stream: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what a generator yields whose connections live in the background loop."""
    turn = asyncio.Lock()
    """A caller who is cancelled leaves at once; the loop first ends the step it was in."""

    async def step() -> T | object:
        async with turn:
            return await anext(stream, _END)

    async def close() -> None:
        async with turn:
            await stream.aclose()

    try:
        while (item := await aio_wait(step())) is not _END:
            yield item  # pyright: ignore[reportReturnType] - not the end
    finally:
        await aio_wait(close())


def shut_down() -> None:
    """Close this process's loop, if there is one; a later run starts another."""
    with _lock:
        if _loops and _loops[-1].pid == os.getpid():
            _loops.pop().close()


def _renew_lock() -> None:
    """Replace the lock: a thread of the parent may have held it while the process forked."""
    global _lock
    _lock = threading.Lock()


atexit.register(shut_down)
if hasattr(os, "register_at_fork"):  # not on Windows
    os.register_at_fork(after_in_child=_renew_lock)
