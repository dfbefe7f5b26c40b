"""Names for the shell to complete. Whatever goes wrong, it completes nothing and says nothing."""

import asyncio
from collections.abc import Iterable

import typer

SECONDS = 2.0
"""A shell that waits longer for its user's Tab key seems to hang."""


def complete_run(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the runs that begin so, the newest first, and @latest."""
    from podhatch.cli.lookup import LATEST
    from podhatch.cluster import WORKFLOW_RUN

    return [name for name in (LATEST, *_names(ctx, WORKFLOW_RUN)) if name.startswith(incomplete)]


def complete_workflow(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the workflows that begin so."""
    from podhatch.cluster import WORKFLOW

    return [name for name in sorted(_names(ctx, WORKFLOW)) if name.startswith(incomplete)]


def complete_cron(ctx: typer.Context, incomplete: str) -> list[str]:
    """Return the crons that begin so."""
    from podhatch.cluster import CRON_WORKFLOW

    return [name for name in sorted(_names(ctx, CRON_WORKFLOW)) if name.startswith(incomplete)]


def _names(ctx: typer.Context, kind: object) -> Iterable[str]:
    from podhatch.cli.place import place_of
    from podhatch.client import background_loop
    from podhatch.client.sessions import session_of
    from podhatch.client.target import Target
    from podhatch.cluster import Kind

    async def listed(target: Target) -> list[str]:
        assert isinstance(kind, Kind)
        session = await session_of(target)
        rows = await session.cluster.rows(kind, session.namespace)
        rows.sort(key=lambda row: str(row.get("Created", "")), reverse=True)
        return [str(row["Name"]) for row in rows]

    try:
        target = place_of(ctx, ctx.params).target
        return background_loop.wait(asyncio.wait_for(listed(target), SECONDS))
    except Exception:  # a shell's prompt is no place for a message
        return []
