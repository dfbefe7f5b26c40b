"""Attempts in child processes: they start from nothing, as in a pod, and can be killed.

The folder and the module path are those of this process. A thread of ours waits for each child.
"""

import json
import os
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from podhatch.api.model import format_time
from podhatch.api.stream import MARK
from podhatch.local.execution import ExecutionEnd, Work, mock_name, reported_end
from podhatch.local.kubelet import Execution, Kubelet, TaskExecutor
from podhatch.local.options import Mocks
from podhatch.local.threads import ThreadExecution
from podhatch.task import Host

COMMAND = (sys.executable, "-m", "podhatch.local.child")
KILL_SECONDS = 5.0
"""From asking a child to stop to its end by force, when nobody waits for the run any more."""

_console = Host()


def in_processes(mocks: Mocks) -> TaskExecutor:
    """Return what makes executions in child processes.

    Mocks and durable tasks run in this one, and so do those without code: they fail at once.
    """
    slots = threading.Semaphore(2 * (os.cpu_count() or 1))

    def new(work: Work, kubelet: Kubelet) -> Execution:
        if work.assignment.durable_log or not work.has_code or mock_name(work, mocks) is not None:
            return ThreadExecution(work, kubelet, mocks)
        return ProcessExecution(work, kubelet, slots)

    return new


class ProcessExecution:
    """One attempt in a child process. Its runner keeps the time."""

    is_waiting = False
    deadline: datetime | None = None
    seconds_left: float | None = None

    def __init__(self, work: Work, kubelet: Kubelet, slots: threading.Semaphore) -> None:
        self._work = work
        self._kubelet = kubelet
        self._slots = slots
        self._process: subprocess.Popen[str] | None = None
        self._cancelled = False
        self._starting = threading.Lock()
        self._started_at = ""
        self._thread = threading.Thread(target=self._run, name=f"podhatch {work.job}", daemon=True)

    def start(self) -> None:
        """Start the thread that starts the child, as soon as there is room for one more."""
        self._thread.start()

    def look_at_clock(self, now: datetime) -> None:
        """Leave it to the child's runner."""

    def cancel(self) -> None:
        """Ask the child to stop: as in a pod, it has half a minute."""
        with self._starting:
            self._cancelled = True
            self._signal(signal.SIGTERM)

    def leave(self) -> None:
        """Wait for the child a moment, then kill it."""
        self.cancel()
        self._thread.join(KILL_SECONDS)
        self._signal(signal.SIGKILL)
        self._thread.join(KILL_SECONDS)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.send_signal(number)

    def _run(self) -> None:
        with self._slots:
            process = self._start()
            if process is None:
                return
            with process:
                assert process.stdout is not None
                for line in process.stdout:
                    self._write(line.rstrip("\n"))
            self._kubelet.finished(self._work.job, self._ended(process.returncode))

    def _start(self) -> "subprocess.Popen[str] | None":
        """Return the child; None when nobody wants it any more."""
        with self._starting:
            if self._cancelled:
                return None
            self._started_at = format_time(self._kubelet.now())
            self._kubelet.began(self._work.job)
            self._process = subprocess.Popen(
                COMMAND,
                env={**os.environ, "PYTHONPATH": _module_path(), **self._work.environ},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                text=True,
                errors="replace",
            )
            return self._process

    def _write(self, line: str) -> None:
        """Keep a line of the log, and print it unless it is a chunk of a stream."""
        self._kubelet.wrote(self._work.job, line)
        if MARK not in line:
            _console.write(line)

    def _ended(self, code: int) -> ExecutionEnd:
        """Return how the child ended, by the clock of the run: its own is the machine's."""
        code = code if code >= 0 else 128 - code
        times = {"startedAt": self._started_at, "finishedAt": format_time(self._kubelet.now())}
        try:
            text = Path(self._work.assignment.output_path).read_text(encoding="utf-8")
            report = json.loads(text) | times
        except (OSError, ValueError):
            return ExecutionEnd(code)
        return reported_end(self._work, report, code)


def _module_path() -> str:
    return os.pathsep.join(path or os.getcwd() for path in sys.path)
