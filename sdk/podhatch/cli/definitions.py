"""The workflows that an object of the user's defines, pointed at the cluster the command is for."""

from typing import Any, cast

from podhatch.cli.errors import Refused
from podhatch.cli.place import Place
from podhatch.cli.source import load
from podhatch.definitions.project import Project
from podhatch.definitions.standalone import Standalone
from podhatch.definitions.workflow import Workflow
from podhatch.hatchet import Hatchet


def find_workflow(what: str, place: Place) -> Workflow[Any]:
    """Return the workflow that `module:name` names, or the one of a task that stands alone.

    Raises:
        Refused: It names none.
    """
    found = load(what)
    if isinstance(found, Standalone):
        found = cast("Standalone[Any, Any]", found).workflow
    if not isinstance(found, Workflow):
        raise Refused(f"{what} is neither a workflow nor a task made by @hatchet.task()")
    workflow = cast("Workflow[Any]", found)
    _move(workflow.project, place)
    return workflow


def find_workflows(what: str, place: Place) -> list[Workflow[Any]]:
    """Return the workflows of the Hatchet that `module:name` names, or the one it names.

    Raises:
        Refused: It names neither, or there is no workflow.
    """
    found = load(what)
    if not isinstance(found, Hatchet):
        return [find_workflow(what, place)]
    workflows = [each for each in found.definitions if each.all_tasks]
    if not workflows:
        raise Refused(f"{what} defines no workflow with a task")
    _move(workflows[0].project, place)
    return workflows


def _move(project: Project, place: Place) -> None:
    """Let the workflows belong where the command line says, and else where their code does."""
    for workflow in project.workflows.values():
        workflow.target = place.within(Place(workflow.target)).target
