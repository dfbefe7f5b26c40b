"""`podhatch logs`: what the pods of a run have written."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import typer

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.console import complain, new_console
from podhatch.cli.errors import Refused, did_you_mean
from podhatch.cli.log_lines import piped, shown
from podhatch.cli.lookup import find_run
from podhatch.cli.options import Run
from podhatch.cli.place import Place
from podhatch.client.logs import RunLine
from podhatch.client.logs import follow as follow_log
from podhatch.client.logs import read as read_log
from podhatch.client.session import Session
from podhatch.client.sessions import session_of

Follow = Annotated[
    bool, typer.Option("--follow", "-f", help="Go on until the run ends, retries included.")
]
Task = Annotated[str | None, typer.Option("--task", "-t", help="Only this task.")]
Chunks = Annotated[bool, typer.Option("--chunks", help="Show also what tasks stream.")]


@command(app)
async def logs(
    place: Place, run: Run, follow: Follow = False, task: Task = None, chunks: Chunks = False
) -> None:
    """Show what the pods of a run have written, of all attempts that are left.

    Pods, and their logs with them, are deleted an hour after they ended, unless the chart's value
    cleanUp.jobTTLSeconds says otherwise.
    """
    session = await session_of(place.target)
    raw = await find_run(session.cluster, session.namespace, run)
    _check_task(raw, task)
    console = new_console(no_color=place.no_color)
    count = 0
    async with aclosing(_lines(session, raw, task, follow=follow)) as lines:
        async for line in lines:
            count += 1
            if not console.steers:
                if (written := piped(line, chunks=chunks)) is not None:
                    print(written, flush=True)
            elif (text := shown(line, chunks=chunks)) is not None:
                console.print(text, soft_wrap=True)
    if not count:
        complain(
            "there is no log: no pod has written anything, or all are gone; those of cancelled "
            "tasks go at once"
        )


async def _lines(
    session: Session, raw: JsonObject, task: str | None, *, follow: bool
) -> AsyncGenerator[RunLine, None]:
    if not follow:
        for line in await read_log(session, raw, task):
            yield line
        return
    async with aclosing(follow_log(session, raw, task)) as lines:
        async for line in lines:
            yield line


def _check_task(raw: JsonObject, task: str | None) -> None:
    status = WorkflowRun.model_validate(raw).status
    names = [each.name for each in status.tasks] if status else []
    if task is not None and names and task not in names:
        name = raw["metadata"]["name"]
        raise Refused(f"run {name} has no task {task}{did_you_mean(task, names)}")
