"""`podhatch workflows`: what there is to run."""

from rich.text import Text

from podhatch.api.model import JsonObject
from podhatch.api.workflow import Workflow as WorkflowObject
from podhatch.cli.arrangement import arrange
from podhatch.cli.command import command
from podhatch.cli.commands.app import group
from podhatch.cli.console import look_for, new_console, now, print_raw, say
from podhatch.cli.lookup import parents_of
from podhatch.cli.objects import Listing, find_object, show_list
from podhatch.cli.options import AllNamespaces, Output, Workflow
from podhatch.cli.place import Place
from podhatch.cli.words import duration, printable
from podhatch.client import objects
from podhatch.client.sessions import session_of
from podhatch.cluster import WORKFLOW

workflows = group("workflows", "Show and delete workflows.")


def _parsed(item: JsonObject) -> WorkflowObject:
    return WorkflowObject.model_validate(item)


def _written(found: WorkflowObject) -> str:
    """Return the name as the author wrote it, where it is not that of the object."""
    return found.true_name if found.true_name != found.metadata.name else ""


def _starts(found: WorkflowObject) -> str:
    """Return what starts runs by itself."""
    return ", ".join((*found.spec.on_events, *found.spec.on_crons))


def _valid(found: WorkflowObject) -> str:
    conditions = found.status.conditions if found.status else []
    valid = next((each for each in conditions if each.type == "Valid"), None)
    if valid is None:
        return ""
    return "yes" if valid.status == "True" else f"no: {valid.message}"


WORKFLOWS = Listing(
    WORKFLOW,
    "workflows",
    (
        ("NAME", lambda item: item["metadata"]["name"]),
        ("WRITTEN", lambda item: _written(_parsed(item))),
        ("TASKS", lambda item: str(len(item["spec"]["tasks"]))),
        ("VERSION", lambda item: item["spec"].get("version", "")),
        ("AGE", lambda item: duration(_parsed(item).metadata.creation_timestamp, now())),
        ("STARTED BY", lambda item: _starts(_parsed(item))),
        ("VALID", lambda item: _valid(_parsed(item))),
    ),
)


@command(workflows, "list")
async def list_workflows(
    place: Place, all_namespaces: AllNamespaces = False, output: Output = None
) -> None:
    """Show the workflows, and what starts them."""
    await show_list(place, WORKFLOWS, output, all_namespaces=all_namespaces)


@command(workflows)
async def get(place: Place, workflow: Workflow, output: Output = None) -> None:
    """Show a workflow and its tasks."""
    session = await session_of(place.target)
    raw = await find_object(session.cluster, WORKFLOW, session.namespace, workflow)
    if output is not None:
        print_raw(raw, output)
        return
    console = new_console(no_color=place.no_color)
    look = look_for(console)
    found = _parsed(raw)
    facts = {
        "Name": found.metadata.name,
        "Written": _written(found),
        "Namespace": found.metadata.namespace,
        "About": found.spec.description or "",
        "Version": found.spec.version or "",
        "Image": found.spec.image or "",
        "Started by": _starts(found),
        "Valid": _valid(found),
    }
    for heading, fact in facts.items():
        if fact:
            console.print(f"{heading + ':':<12}{printable(fact)}", soft_wrap=True)
    console.print()
    parents = parents_of(found.spec)
    for row in arrange(list(parents), parents):
        guides = "".join(look.guides[guide] for guide in row.guides)
        joins = f" {look.arrow} {', '.join(row.joins)}" if row.joins else ""
        console.print(Text.assemble((guides, "dim"), row.name, (joins, "dim")))


@command(workflows)
async def delete(place: Place, workflow: Workflow) -> None:
    """Delete a workflow. Runs that go on keep the version they started with."""
    session = await session_of(place.target)
    found = await find_object(session.cluster, WORKFLOW, session.namespace, workflow)
    name = str(found["metadata"]["name"])
    await objects.delete(session, WORKFLOW, name)
    say(f"workflow {name} deleted")
