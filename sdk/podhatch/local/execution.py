"""What carries out one attempt in the place of a pod: a thread, or a child process.

The engine starts and stops executions, and they tell it how they go, from threads of their own.
"""

from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from podhatch.api.pod import Report
from podhatch.local.work import Work


@dataclass(frozen=True)
class Ended:
    """How an execution ended."""

    exit_code: int
    message: str = ""
    """The termination message."""
    report: Report | None = None
    """What a pod with access to the cluster writes into its TaskResult."""


class Listener(Protocol):
    """Who is told of executions, from any thread."""

    def now(self) -> datetime:
        """Return the time of the run."""
        ...

    def began(self, job: str) -> None:
        """The attempt has got what it needs to start."""
        ...

    def wake(self) -> None:
        """The time of an attempt has changed."""
        ...

    def extended(self, job: str, report: Report) -> None:
        """The attempt has given itself more time, as its report says."""
        ...

    def wrote(self, job: str, line: str) -> None:
        """A line was added to the attempt's log."""
        ...

    def finished(self, job: str, end: Ended) -> None:
        """The execution is over."""
        ...


class Execution(Protocol):
    """One attempt."""

    @property
    def is_waiting(self) -> bool:
        """Whether it does nothing but wait for another run."""
        ...

    @property
    def deadline(self) -> datetime | None:
        """When its time is over by the clock of the run."""
        ...

    @property
    def seconds_left(self) -> float | None:
        """After how long its time is over by the machine's clock, which a fake clock is not."""
        ...

    def start(self) -> None:
        """Begin, and return at once."""
        ...

    def look_at_clock(self, now: datetime) -> None:
        """End the attempt if its time is over."""
        ...

    def cancel(self) -> None:
        """Ask the code to stop: nobody wants its result any more."""
        ...

    def leave(self) -> None:
        """Wait a moment for a cancelled one to end, and kill it if it can be killed."""
        ...


class Executor(Protocol):
    """Makes executions."""

    def new(self, work: Work, listener: Listener) -> Execution:
        """Return the execution of an attempt, which has not started."""
        ...


class Waits:
    """Counts the places at which an attempt waits for other runs."""

    def __init__(self, listener: Listener) -> None:
        self.listener = listener
        self.count = 0

    @contextmanager
    def one_more(self) -> Generator[None]:
        """Within it, the attempt waits."""
        self.count += 1
        try:
            yield
        finally:
            self.count -= 1


current_waits: ContextVar[Waits | None] = ContextVar("podhatch_local_waits", default=None)
"""Of the attempt that the asking code belongs to."""
