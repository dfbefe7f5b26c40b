"""Makes what runs without a cluster: for `run_local`, the test plugin, and child processes.

Within it, every run method of every workflow runs locally.
"""

from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from podhatch.api.event import EventSource, WorkflowEvent, WorkflowEventSpec
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.client import session_override
from podhatch.client.background_loop import aio_wait, wait
from podhatch.client.session import Session
from podhatch.local.clock import SystemClock
from podhatch.local.cluster import USER
from podhatch.local.engine import Engine
from podhatch.local.options import LocalEvent, LocalOptions
from podhatch.local.processes import Processes
from podhatch.local.session import LocalSession
from podhatch.local.threads import Threads


@contextmanager
def local_runs(options: LocalOptions, *, everywhere: bool = False) -> Generator[LocalSession]:
    """Run locally what is run within: in this context, or everywhere in the process."""
    session = _session(options)
    used = session_override.set_everywhere if everywhere else session_override.set_here
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
        with session_override.set_here(session):
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
    started_at = engine.clock.now()
    for number, event in enumerate(options.events, 1):
        push = partial(engine.cluster.put, event_manifest(f"local-event-{number}", event))
        engine.call_at(started_at + event.after, push)
    return LocalSession(engine)


def event_manifest(name: str, event: LocalEvent) -> JsonObject:
    """Return the object that an event is."""
    spec = WorkflowEventSpec(
        key=event.key,
        payload=dict(event.payload),
        scope=event.scope,
        pushed_by=EventSource(user=USER),
    )
    return WorkflowEvent(metadata=ObjectMeta(name=name), spec=spec).to_wire()
