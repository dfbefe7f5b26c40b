"""What stands around a running task and acts for it: the runner, `run_local`, or a test.

The runner and the local engine put their own in place; the one here is enough for tests.
"""

import sys
import threading

_writing = threading.Lock()


class Host:
    """Does what a task asks of its surroundings. This one knows no cluster and no clock."""

    def __init__(self) -> None:
        self._cancelled = False

    def is_cancelled(self) -> bool:
        """Whether the task was asked to stop."""
        return self._cancelled

    def cancel(self) -> None:
        """End the task, and with it the run, as cancelled."""
        self._cancelled = True

    def extend_timeout(self, seconds: float) -> None:
        """Give the task more time."""

    def write(self, line: str) -> None:
        """Add a line to the task's log, whole, whatever other threads write through this."""
        with _writing:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
