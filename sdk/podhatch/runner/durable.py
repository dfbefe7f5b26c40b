"""The journal of a durable task's attempt. Imported for these alone: it loads the client."""

from collections.abc import Callable
from datetime import UTC, datetime

from podhatch.api.durable_log import DurableLogSpec
from podhatch.client import background_loop
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.durable.journal import LogJournal
from podhatch.durable.store import LogIdentity, LogStore
from podhatch.runner.assignment import Assignment


def open_journal(
    assignment: Assignment,
    *,
    evict: Callable[[int], None],
    lose: Callable[[], None],
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    on_parked: Callable[[], None] = lambda: None,
) -> LogJournal:
    """Take over the log of the task, and return its journal.

    The callbacks are those of `LogJournal`.

    Raises:
        TakenOver: A later attempt has.
        PodhatchError: The log cannot be read.
    """
    store, pages = background_loop.wait(_open(assignment))
    return LogJournal(
        store,
        pages,
        task_run_id=assignment.task_run_id,
        ttl=assignment.eviction_ttl,
        evict=evict,
        lose=lose,
        in_background=background_loop.aio_wait,
        now=now,
        on_parked=on_parked,
    )


async def _open(assignment: Assignment) -> tuple[LogStore, list[DurableLogSpec]]:
    identity = LogIdentity(
        namespace=assignment.namespace,
        name=assignment.durable_log or "",
        run=assignment.run,
        run_uid=assignment.run_uid,
        task=assignment.task,
        invocation=int(assignment.task_run_id.rpartition("-")[2]),
    )
    session = await session_of(Target())
    store = LogStore(session.cluster, identity)
    return store, await store.open()
