"""Prints runs: once, live in a terminal, or as one line per change. Called by the commands.

The live picture is drawn by rich in a thread of its own, so that durations go on between changes.
"""

import json
import os
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime

import yaml
from rich.console import Console, RenderableType
from rich.live import Live

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.cli.arrangement import Parents
from podhatch.cli.changes import changes
from podhatch.cli.follow import follow
from podhatch.cli.look import ASCII, UNICODE, Look
from podhatch.cli.lookup import find_parents
from podhatch.cli.options import Format
from podhatch.cli.tree import run_picture
from podhatch.cluster import Cluster

REFRESHES_PER_SECOND = 5
PIPE_WIDTH = 200
"""Characters a line where no terminal sets a limit, so that names are whole."""


def new_console(*, no_color: bool = False) -> Console:
    """Return the console for standard output."""
    console = Console(no_color=no_color or None, highlight=False, emoji=False, markup=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_WIDTH
    return console


def look_for(console: Console) -> Look:
    """Return the signs that the console's encoding has."""
    return ASCII if console.options.ascii_only else UNICODE


def now() -> datetime:
    """Return this moment."""
    return datetime.now(UTC)


def print_raw(value: JsonObject, output: Format) -> None:
    """Print an object for programs."""
    for item in value.get("items", [value]):
        item["metadata"].pop("managedFields", None)
    if output is Format.JSON:
        print(json.dumps(value, indent=2, ensure_ascii=False))
    else:
        print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), end="")


async def print_run(console: Console, cluster: Cluster, run: WorkflowRun) -> None:
    """Print the picture of a run."""
    parents = await find_parents(cluster, run)
    console.print(run_picture(run, parents, now(), look_for(console)))


async def watch_run(console: Console, cluster: Cluster, namespace: str, name: str) -> WorkflowRun:
    """Show a run while it goes on; return it as it ended."""
    async with aclosing(follow(cluster, namespace, name)) as states:
        if console.is_terminal:
            return await _watch_live(console, cluster, states)
        return await _watch_lines(console, states)


async def _watch_live(
    console: Console, cluster: Cluster, states: AsyncIterator[WorkflowRun]
) -> WorkflowRun:
    run = await anext(states)
    parents: Parents = await find_parents(cluster, run)
    look = look_for(console)

    def picture() -> RenderableType:
        return run_picture(run, parents, now(), look)

    live = Live(console=console, get_renderable=picture, refresh_per_second=REFRESHES_PER_SECOND)
    with live:
        async for state in states:
            pinned = state.status and state.status.revision
            if pinned and pinned != (run.status and run.status.revision):
                parents = await find_parents(cluster, state)
            run = state
    return run


async def _watch_lines(console: Console, states: AsyncIterator[WorkflowRun]) -> WorkflowRun:
    run: WorkflowRun | None = None
    async for state in states:
        for line in changes(run, state, now()):
            console.print(line, soft_wrap=True)
        run = state
    assert run is not None, "following a run yields it at least once"
    return run
