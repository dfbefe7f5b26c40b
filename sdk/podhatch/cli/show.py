"""Prints runs: once, live in a terminal, or as one line per change. Called by the commands.

The live picture is drawn by rich in a thread of its own, so that durations go on between changes.
"""

from collections.abc import AsyncIterator
from contextlib import aclosing

from rich.console import Console, RenderableType
from rich.live import Live

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.cli.changes import changes
from podhatch.cli.children import child_runs
from podhatch.cli.console import look_for, now
from podhatch.cli.lookup import find_children, find_parents
from podhatch.cli.tree import run_picture
from podhatch.client.waiting import states
from podhatch.cluster import Cluster

REFRESHES_PER_SECOND = 5


async def print_run(console: Console, cluster: Cluster, run: WorkflowRun) -> None:
    """Print the picture of a run, and the runs that its tasks asked for."""
    parents = await find_parents(cluster, run)
    look = look_for(console)
    console.print(run_picture(run, parents, now(), look))
    if children := await find_children(cluster, run):
        console.print()
        console.print(child_runs(children, now(), look))


async def watch_run(console: Console, cluster: Cluster, run: JsonObject) -> WorkflowRun:
    """Show a run while it goes on; return it as it ended."""
    async with aclosing(states(cluster, run)) as seen:
        runs = (WorkflowRun.model_validate(state) async for state in seen)
        if console.is_terminal:
            return await _watch_live(console, cluster, runs)
        return await _watch_lines(console, runs)


async def _watch_live(
    console: Console, cluster: Cluster, runs: AsyncIterator[WorkflowRun]
) -> WorkflowRun:
    run = await anext(runs)
    parents = await find_parents(cluster, run)
    look = look_for(console)

    def picture() -> RenderableType:
        return run_picture(run, parents, now(), look)

    live = Live(console=console, get_renderable=picture, refresh_per_second=REFRESHES_PER_SECOND)
    with live:
        async for state in runs:
            pinned = state.status and state.status.revision
            if pinned and pinned != (run.status and run.status.revision):
                parents = await find_parents(cluster, state)
            run = state
    return run


async def _watch_lines(console: Console, runs: AsyncIterator[WorkflowRun]) -> WorkflowRun:
    run: WorkflowRun | None = None
    async for state in runs:
        for line in changes(run, state, now()):
            console.print(line, soft_wrap=True)
        run = state
    assert run is not None, "following a run yields it at least once"
    return run
