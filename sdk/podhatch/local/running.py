"""Makes what runs without a cluster: for `run_local`, the test plugin, and child processes.

Within it, every run method of every workflow runs locally.
"""

from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from typing import Any

from podhatch.api.event import WorkflowEvent, WorkflowEventSpec
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.client import substitute
from podhatch.client.portal import aio_wait, wait
from podhatch.client.session import Session
from podhatch.local.clock import Clock, SystemClock
from podhatch.local.code import Mocks
from podhatch.local.engine import Engine
from podhatch.local.processes import Processes
from podhatch.local.session import LocalSession
from podhatch.local.threads import Threads


@dataclass(frozen=True)
class LocalEvent:
    """An event that is pushed while a local run is under way.

    Attributes:
        key: What `UserEventCondition` names.
        payload: What conditions call `input`.
        scope: Conditions that name a scope take events of that scope only.
        after: How long after the start, by the clock of the run.
    """

    key: str
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scope: str | None = None
    after: timedelta = timedelta()


_NO_MOCKS: Mocks = {}


@dataclass(frozen=True)
class LocalOptions:
    """How local runs are run.

    Attributes:
        processes: Each attempt gets a child process; else a thread of this one.
        clock: The time by which waits, backoffs and schedules are measured; None for the machine's.
        mocks: What stands in for tasks, by their names: a value that the task returns, or a
            function of `(input, ctx)`.
        events: Pushed while the runs are under way.
    """

    processes: bool = False
    clock: Clock | None = None
    mocks: Mocks = field(default_factory=lambda: _NO_MOCKS)
    events: Sequence[LocalEvent] = ()


@contextmanager
def local_runs(options: LocalOptions, *, everywhere: bool = False) -> Generator[LocalSession]:
    """Run locally what is run within: in this context, or everywhere in the process."""
    session = _session(options)
    used = substitute.used_everywhere if everywhere else substitute.used_here
    try:
        with used(session):
            session.engine.start()
            yield session
    finally:
        wait(session.engine.close())


@asynccontextmanager
async def aio_local_runs(options: LocalOptions) -> AsyncGenerator[LocalSession]:
    """Do what `local_runs` does, in an event loop."""
    session = _session(options)
    try:
        with substitute.used_here(session):
            session.engine.start()
            yield session
    finally:
        await aio_wait(session.engine.close())


def lasting_session() -> Session:
    """Return a session that lasts as long as the process."""
    session = _session(LocalOptions())
    session.engine.start()
    return session


def _session(options: LocalOptions) -> LocalSession:
    executor = Processes(options.mocks) if options.processes else Threads(options.mocks)
    engine = Engine(options.clock or SystemClock(), executor, options.mocks)
    started_at = engine.now()
    for number, event in enumerate(options.events, 1):
        push = partial(engine.cluster.put, _manifest(f"local-event-{number}", event))
        engine.call_at(started_at + event.after, push)
    return LocalSession(engine)


def _manifest(name: str, event: LocalEvent) -> JsonObject:
    spec = WorkflowEventSpec(key=event.key, payload=dict(event.payload), scope=event.scope)
    return WorkflowEvent(metadata=ObjectMeta(name=name), spec=spec).to_wire()
