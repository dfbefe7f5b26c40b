"""The pod's process: hears SIGTERM, keeps the deadlines, and ends it. Also of what it forks."""

import atexit
import contextlib
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from types import FrameType

EXIT_HANDLER_SECONDS = 5.0

_leaving = threading.Lock()


class Watch:
    """Calls back from a thread of its own: at set moments, and when SIGTERM arrives.

    It works also while the main thread is in C code that runs no signal handler.

    Attributes:
        terminated: Whether SIGTERM has arrived.
    """

    def __init__(self, on_terminate: Callable[[], None]) -> None:
        self.terminated = False
        self._on_terminate = on_terminate
        self._appointments: list[tuple[float, Callable[[], object]]] = []
        self._read, self._write = os.pipe()
        os.set_blocking(self._write, False)

    def start(self) -> None:
        """Take over SIGTERM and start the thread. Call from the main thread."""
        # The interpreter itself writes the signal's number, the handler writes it once more: user
        # code may have put another descriptor in place.
        signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        signal.signal(signal.SIGTERM, self._handle)
        os.register_at_fork(after_in_child=_forget_signals)
        threading.Thread(target=self._run, name="podhatch-watch", daemon=True).start()

    def call_at(self, moment: float, action: Callable[[], object]) -> None:
        """Call `action` at a moment of `time.monotonic()`."""
        self._appointments.append((moment, action))
        self._wake(0)

    def terminate(self) -> None:
        """Do as if SIGTERM had arrived."""
        self._handle(signal.SIGTERM, None)

    def _handle(self, signum: int, _frame: "FrameType | None") -> None:
        self.terminated = True
        self._wake(signum)

    def _wake(self, number: int) -> None:
        with contextlib.suppress(BlockingIOError):  # a full pipe wakes as well
            os.write(self._write, bytes([number]))

    def _run(self) -> None:
        terminated = False
        while True:
            ready, _, _ = select.select([self._read], [], [], self._seconds_left())
            if ready and signal.SIGTERM in os.read(self._read, 4096) and not terminated:
                terminated = self.terminated = True
                self._on_terminate()
            self._keep_appointments()

    def _seconds_left(self) -> float | None:
        if not self._appointments:
            return None
        first = min(moment for moment, _ in self._appointments)
        return max(0.0, first - time.monotonic())

    def _keep_appointments(self) -> None:
        for appointment in [*self._appointments]:
            moment, action = appointment
            if moment <= time.monotonic():
                self._appointments.remove(appointment)
                action()


def _forget_signals() -> None:
    """In a forked child, such as a multiprocessing worker, SIGTERM means what it usually does."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def leave(code: int) -> NoReturn:
    """Leave, without waiting for threads the user left behind nor long for anything else.

    Who comes second waits here for the process to end.
    """
    _leaving.acquire()
    with contextlib.suppress(BaseException):
        limit = threading.Timer(EXIT_HANDLER_SECONDS, os._exit, (code,))
        limit.daemon = True
        limit.start()
        _flush()
        if threading.current_thread() is threading.main_thread():
            # What the user registered with atexit, such as the last flush of a tracer.
            atexit._run_exitfuncs()  # pyright: ignore[reportPrivateUsage]
        _flush()
    os._exit(code)


def leave_fork(error: BaseException | None) -> NoReturn:
    """End a forked process as Python would: with the code of `sys.exit`, or a traceback and 1.

    `os._exit`, as multiprocessing does: handlers of atexit, buffers of connections and the like
    are the first process's.
    """
    code = 0
    with contextlib.suppress(BaseException):
        if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
            code = (error.code or 0) & 0xFF
        elif error is not None:
            code = 1
            notify(_account(error).rstrip("\n"))
        _flush()
    os._exit(code)


def _account(error: BaseException) -> str:
    from podhatch.runner.failure import format_exception

    if isinstance(error, SystemExit):  # sys.exit("a message")
        return f"a process that the task forked ended: {error.code}"
    return f"a process that the task forked failed:\n{format_exception(error)}"


def notify(text: str) -> None:
    """Write a line of the runner's own to the pod's log."""
    sys.stderr.write(f"podhatch: {text}\n")


def _flush() -> None:
    sys.stdout.flush()
    sys.stderr.flush()
