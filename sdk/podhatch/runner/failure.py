"""Turns exceptions and stacks into what a report carries: bounded, and without our own frames."""

import os
import sys
import threading
import traceback
from collections.abc import Iterator
from datetime import timedelta
from types import FrameType
from typing import Any, TypedDict

from podhatch.api.limits import MAX_BACKOFF_SECONDS
from podhatch.api.pod import ErrorReport
from podhatch.errors import NonRetryableException
from podhatch.runner.report import TaskFailure, error_report

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_OURS = tuple(
    _PACKAGE + part
    for part in (
        f"runner{os.sep}",
        f"local{os.sep}",
        f"durable{os.sep}",
        f"task{os.sep}dependencies.py",
        f"task{os.sep}durable_context.py",
    )
)
_ASYNCIO = os.path.dirname(traceback.__file__) + f"{os.sep}asyncio{os.sep}"
_THREADING = threading.__file__
_FROZEN = "<frozen "


def describe(error: BaseException) -> ErrorReport:
    """Return the report of an exception that the user's code raised."""
    if isinstance(error, TaskFailure):
        return error.report
    if isinstance(error, SystemExit):
        message = f"the task called sys.exit({error.code!r}): return a value, or raise an exception"
    else:
        message = _text(error)
    return error_report(type(error).__name__, message, format_exception(error))


def format_exception(error: BaseException) -> str:
    """Return the traceback with the user's frames only, as Python would print it."""
    formatted = traceback.TracebackException.from_exception(error)
    _trim(formatted)
    return "".join(formatted.format())


def current_stack(coroutine: Any = None, thread: int | None = None) -> str:
    """Return where the user's code is now: in a coroutine that waits, or in its thread.

    By default the thread is the main thread.
    """
    waits = coroutine is not None and not coroutine.cr_running
    frames = _of_coroutine(coroutine) if waits else _of_thread(thread)
    lines = _users(traceback.StackSummary.extract(frames)).format()
    return "Where it stood (most recent call last):\n" + "".join(lines)


def _of_thread(thread: int | None) -> list[tuple[FrameType, int]]:
    """Return a thread's frames, outermost first."""
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
    frame = frames.get(thread or threading.main_thread().ident or 0)
    return [*traceback.walk_stack(frame)][::-1] if frame else []


def _of_coroutine(coroutine: Any) -> Iterator[tuple[FrameType, int]]:
    """Yield the frames of a coroutine, down to what it waits for."""
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None)
        if frame is not None:
            yield frame, frame.f_lineno
        coroutine = getattr(coroutine, "cr_await", None)


def _trim(formatted: traceback.TracebackException) -> None:
    """Take our frames out of an exception, of those it came from and of those it groups."""
    formatted.stack = _users(formatted.stack)
    related = (formatted.__cause__, formatted.__context__, *(formatted.exceptions or ()))
    for other in related:
        if other is not None:
            _trim(other)


def _users(stack: traceback.StackSummary) -> traceback.StackSummary:
    """Drop our own and Python's start anywhere, and asyncio above the user's first frame."""
    kept = [frame for frame in stack if not frame.filename.startswith((*_OURS, _FROZEN))]
    while kept and kept[0].filename.startswith((_ASYNCIO, _THREADING)):
        kept.pop(0)
    return traceback.StackSummary.from_list(kept)


def _text(error: BaseException) -> str:
    """Return an exception's message; an exception that cannot be printed is still reported."""
    try:
        return str(error)
    except Exception as broken:
        return f"<its message could not be made: {type(broken).__name__}>"


class RetryReport(TypedDict, total=False):
    """The fields of a report about the next attempt."""

    retryable: bool
    retryAfterSeconds: float


def retry_of(error: BaseException) -> RetryReport:
    """Return whether to try again at all, and after how long, as far as the exception says."""
    if isinstance(error, NonRetryableException):
        return {"retryable": False}
    seconds = _retry_after(error)
    return {} if seconds is None else {"retryAfterSeconds": seconds}


def _retry_after(error: BaseException) -> float | None:
    """Return the exception's `retry_after` in seconds; None where that is no time to wait."""
    try:
        value: object = getattr(error, "retry_after", None)
    except Exception:  # it is the user's code
        return None
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return float(min(value, MAX_BACKOFF_SECONDS)) if value >= 0 else None
