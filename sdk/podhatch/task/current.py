"""The task that code runs in: child runs belong to the task that starts them.

The runner and `run_local` set it around the user's function; the run methods read it.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.task.context import Context

_current: "ContextVar[Context | None]" = ContextVar("podhatch_context", default=None)
_of_process: "Context | None" = None


def current_context() -> "Context | None":
    """Return the context of the task this code runs in; None outside of tasks.

    In a pod every thread is the task's. Elsewhere it is known where the task's own thread, event
    loop or copied context (`contextvars.copy_context()`, `asyncio.to_thread`) is.
    """
    return _current.get() or _of_process


@contextmanager
def entered(context: "Context") -> Generator[None]:
    """Make the code inside the task's: what runs a task in a thread or an event loop uses it."""
    token = _current.set(context)
    try:
        yield
    finally:
        _current.reset(token)


def enter_process(context: "Context") -> None:
    """Make the whole process the task's, threads without a copied context included."""
    global _of_process
    _of_process = context
