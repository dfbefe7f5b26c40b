"""`podhatch run`: starts a workflow that the cluster holds, or one in the user's own code."""

import json
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Annotated

import typer

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.cli.command import command
from podhatch.cli.commands.app import app
from podhatch.cli.completion import complete_workflow
from podhatch.cli.console import complain, new_console, print_json, print_raw, say
from podhatch.cli.definitions import find_workflow
from podhatch.cli.errors import WrongUsage
from podhatch.cli.exits import exit_code_of
from podhatch.cli.options import Format, Input, Metadata, Output, Parameters, Priority
from podhatch.cli.place import Place
from podhatch.cli.publish import manifest, publish_with_others
from podhatch.cli.run_input import workflow_and_input
from podhatch.cli.show import watch_run
from podhatch.cli.values import json_object, pairs
from podhatch.client.runs import execution
from podhatch.client.runs.request import NamedRun
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.client.waiting import states

What = Annotated[
    str,
    typer.Argument(
        metavar="WORKFLOW",
        help="Name of a workflow in the cluster, or module:workflow or file.py:workflow, which is "
        "published first.",
        autocompletion=complete_workflow,
    ),
]
Wait = Annotated[
    bool, typer.Option("--wait/--no-wait", help="Wait for the end, and print the outputs as JSON.")
]
Watch = Annotated[bool, typer.Option("--watch", "-w", help="Show the run until it ends.")]


@command(app)
def run(
    place: Place,
    workflow: What,
    input: Input = None,
    parameter: Parameters = None,
    metadata: Metadata = None,
    priority: Priority = None,
    wait: Wait = False,
    watch: Watch = False,
    output: Output = None,
) -> Awaitable[int | None]:
    """Start a run, and print its name.

    With --wait or --watch, the exit code is 1 if the run failed, and 4 if it was cancelled.
    """
    if watch and output is not None:
        raise WrongUsage("--watch shows the run, so -o has no place beside it: use --wait -o")
    after = _After(wait, watch, output, place.no_color)
    own = find_workflow(workflow, place) if ":" in workflow else None
    name = manifest(own).name if own else workflow
    given, texts = json_object("--input", input), pairs("--metadata", metadata)

    async def start() -> int | None:
        if own is not None:
            await publish_with_others(own)
        target = own.target if own else place.target
        session = await session_of(target)
        found, values = await workflow_and_input(session, name, given, parameter)
        asked = NamedRun(found, values, texts, priority)
        created = await execution.create_by_name(target, asked)
        return await _finish(target, await session.get_run(created.metadata.name), after)

    return start()


@dataclass(frozen=True)
class _After:
    """What is wanted of a run that was started."""

    wait: bool
    watch: bool
    output: Format | None
    no_color: bool


async def _finish(target: Target, run: JsonObject, after: _After) -> int | None:
    """Wait, show and print as it is wanted, and return the exit code."""
    session = await session_of(target)
    if after.watch:
        console = new_console(no_color=after.no_color)
        return exit_code_of(await watch_run(console, session.cluster, run))
    if after.wait:
        # Whoever interrupts this, or loses the connection, still knows the run.
        complain(f"run {run['metadata']['name']} is started")
        async for state in states(session.cluster, run):
            run = state
    if after.output is not None:
        print_raw(run, after.output)
    elif after.wait:
        await _print_outputs(target, run)
    else:
        say(run["metadata"]["name"])
    return exit_code_of(WorkflowRun.model_validate(run)) if after.wait else None


async def _print_outputs(target: Target, run: JsonObject) -> None:
    """Print the outputs of a run that succeeded, or why it did not."""
    ended = WorkflowRun.model_validate(run)
    name, status = ended.metadata.name, ended.status
    if status is not None and status.phase == "Succeeded":
        texts = await execution.outputs(target, name, run)
        outputs = {task: json.loads(text) if text else None for task, text in texts.items()}
        print_json(outputs)
    elif status is not None:
        why = f"run {name} is {status.phase}: {status.message} (see `podhatch get {name}`)"
        complain(f"error: {why}")
