"""Cancels and replays runs that exist."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from podhatch.api.model import JsonObject
from podhatch.client import objects
from podhatch.client.runs.lookup import find_names
from podhatch.client.runs.selection import ENDED, RunFilter, RunStatus
from podhatch.client.session import Session
from podhatch.cluster import WORKFLOW_RUN

CHUNK_SIZE = 500

Chosen = Sequence[str] | RunFilter
"""Names of runs, or a filter."""


async def cancel(session: Session, name: str) -> None:
    """Request that the run is cancelled."""
    objects.check_name(WORKFLOW_RUN, name)
    body: JsonObject = {"spec": {"desiredState": "Cancelled"}}
    await session.retry_on_conflict(WORKFLOW_RUN, name, lambda: _change(session, name, body))


async def replay(
    session: Session, name: str, *, failed_only: bool = False, task: str | None = None
) -> JsonObject:
    """Request that the run starts over, and return it with its status of before.

    With a task, only this one and those that depend on it start over.
    """
    objects.check_name(WORKFLOW_RUN, name)

    async def ask() -> JsonObject:
        run = await session.get_run(name)
        count = run["spec"].get("replay", {}).get("count", 0) + 1
        asked = {"count": count, "failedOnly": failed_only, "task": task}
        spec = {"desiredState": "Running", "replay": asked}
        version = {"resourceVersion": run["metadata"]["resourceVersion"]}
        return await _change(session, name, {"metadata": version, "spec": spec})

    return await session.retry_on_conflict(WORKFLOW_RUN, name, ask)


async def cancel_many(
    session: Session, chosen: Chosen, chunk_size: int = CHUNK_SIZE, sleep_seconds: float = 0
) -> list[str]:
    """Cancel runs; a filter matches only runs that have not ended. Return their names."""
    if isinstance(chosen, RunFilter):
        meant = RunStatus if chosen.statuses is None else chosen.statuses
        statuses = sorted(set(meant) - ENDED)
        under_way = replace(chosen, statuses=statuses)
        chosen = await find_names(session, under_way) if statuses else []
    return await _in_chunks(lambda name: cancel(session, name), chosen, chunk_size, sleep_seconds)


async def replay_many(
    session: Session, chosen: Chosen, chunk_size: int = CHUNK_SIZE, sleep_seconds: float = 0
) -> list[str]:
    """Replay runs, and return their names."""
    if isinstance(chosen, RunFilter):
        chosen = await find_names(session, chosen)
    return await _in_chunks(lambda name: replay(session, name), chosen, chunk_size, sleep_seconds)


async def _in_chunks(
    act: Callable[[str], Awaitable[object]],
    names: Sequence[str],
    chunk_size: int,
    sleep_seconds: float,
) -> list[str]:
    """Change many runs, ten at a time, with a pause after each chunk, and return their names."""
    for start in range(0, len(names), chunk_size):
        if start:
            await asyncio.sleep(sleep_seconds)
        await objects.gathered(act(name) for name in names[start : start + chunk_size])
    return list(names)


async def _change(session: Session, name: str, body: JsonObject) -> JsonObject:
    session.changed.add(name)
    return await session.cluster.merge_patch(WORKFLOW_RUN, session.namespace, name, body)
