"""A thread that keeps time and hears SIGTERM while the main thread is busy with the user's code.

Started by the attempt. Works also when the main thread sits in C code that runs no signal handler.
"""

import contextlib
import os
import select
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType


class Watch:
    """Calls back from its own thread: at set moments, and when SIGTERM arrives.

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

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
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
