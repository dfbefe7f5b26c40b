"""`podhatch workflows`: lists, shows and deletes workflows."""

from rich.text import Text

from podhatch.api.workflow import Workflow as WorkflowObject
from podhatch.cli.app import command, group
from podhatch.cli.lookup import find_object, parents_of
from podhatch.cli.options import AllNamespaces, GlobalOptions, Output, Workflow
from podhatch.cli.rendering.console import new_console, now, print_line, print_raw, symbols_for
from podhatch.cli.rendering.format import duration, printable
from podhatch.cli.rendering.graph import arrange
from podhatch.cli.rendering.table import Listing, show_list
from podhatch.client import objects
from podhatch.client.sessions import session_of
from podhatch.cluster import WORKFLOW

workflows = group("workflows", "List, show and delete workflows.")


def _given_name(found: WorkflowObject) -> str:
    """Return the name in `spec.name`, if it differs from the object's name."""
    return found.true_name if found.true_name != found.metadata.name else ""


def _starts(found: WorkflowObject) -> str:
    """Return the events and crons that start runs."""
    return ", ".join((*found.spec.on_events, *found.spec.on_crons))


def _valid(found: WorkflowObject) -> str:
    conditions = found.status.conditions if found.status else []
    valid = next((each for each in conditions if each.type == "Valid"), None)
    if valid is None:
        return ""
    return "yes" if valid.status == "True" else f"no: {valid.message}"


WORKFLOWS = Listing(
    WORKFLOW,
    WorkflowObject,
    "workflows",
    (
        ("GIVEN NAME", _given_name),
        ("TASKS", lambda found: str(len(found.spec.tasks))),
        ("VERSION", lambda found: found.spec.version or ""),
        ("AGE", lambda found: duration(found.metadata.creation_timestamp, now())),
        ("STARTED BY", _starts),
        ("VALID", _valid),
    ),
)


@command(workflows, "list")
async def list_workflows(
    options: GlobalOptions, all_namespaces: AllNamespaces = False, output: Output = None
) -> None:
    """List the workflows and what starts them."""
    await show_list(options, WORKFLOWS, output, all_namespaces=all_namespaces)


@command(workflows)
async def get(options: GlobalOptions, workflow: Workflow, output: Output = None) -> None:
    """Show a workflow and its tasks."""
    session = await session_of(options.target)
    raw = await find_object(session.cluster, WORKFLOW, session.namespace, workflow)
    if output is not None:
        print_raw(raw, output)
        return
    console = new_console(no_color=options.no_color)
    symbols = symbols_for(console)
    found = WorkflowObject.model_validate(raw)
    fields = {
        "Name": found.metadata.name,
        "Given name": _given_name(found),
        "Namespace": found.metadata.namespace,
        "Description": found.spec.description or "",
        "Version": found.spec.version or "",
        "Image": found.spec.image or "",
        "Started by": _starts(found),
        "Valid": _valid(found),
    }
    for heading, text in fields.items():
        if text:
            console.print(f"{heading + ':':<13}{printable(text)}", soft_wrap=True)
    console.print()
    parents = parents_of(found.spec)
    for row in arrange(list(parents), parents):
        guides = "".join(symbols.guides[guide] for guide in row.guides)
        joins = f" {symbols.arrow} {', '.join(row.joins)}" if row.joins else ""
        console.print(Text.assemble((guides, "dim"), row.name, (joins, "dim")))


@command(workflows)
async def delete(options: GlobalOptions, workflow: Workflow) -> None:
    """Delete a workflow. Active runs keep the revision they started with."""
    session = await session_of(options.target)
    found = await find_object(session.cluster, WORKFLOW, session.namespace, workflow)
    name = str(found["metadata"]["name"])
    await objects.delete(session, WORKFLOW, name)
    print_line(f"workflow {name} deleted")
