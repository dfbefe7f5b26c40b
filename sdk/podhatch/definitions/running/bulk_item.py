"""One run among many: what `create_bulk_run_item` returns and `run_many` takes.

Checked and dumped at once, so that nothing is created when one of a thousand does not fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from podhatch.definitions.options.run_options import NO_OPTIONS, TriggerWorkflowOptions
from podhatch.errors import InvalidRun

if TYPE_CHECKING:
    from podhatch.definitions.workflow import Workflow


@dataclass(frozen=True, kw_only=True)
class WorkflowRunTriggerConfig:
    """What to run, on what.

    Attributes:
        workflow_name: The workflow's name as its author wrote it.
        input: JSON text of the input.
        options: Metadata and so on.
        key: In a task: tells this child run from the task's others, in place of an index.
    """

    workflow_name: str
    input: str
    options: TriggerWorkflowOptions = NO_OPTIONS
    key: str | None = None


def workflow_of(item: WorkflowRunTriggerConfig, asked: "Workflow[Any]") -> "Workflow[Any]":
    """Return the workflow that an item is of: the one asked, or another of the same `Hatchet`.

    Raises:
        InvalidRun: There is none of that name.
    """
    if item.workflow_name == asked.name:
        return asked
    found = asked.project.workflows.get(item.workflow_name)
    if found is None:
        raise InvalidRun(
            f"workflow {asked.name!r}: run_many: no workflow {item.workflow_name!r} is defined on "
            "the same Hatchet"
        )
    return found


def check_items(name: str, items: Sequence[object]) -> None:
    """Refuse what is no item.

    Raises:
        TypeError: There is such a thing.
    """
    for index, item in enumerate(items):
        if not isinstance(item, WorkflowRunTriggerConfig):
            raise TypeError(
                f"workflow {name!r}: run_many: item {index} is {item!r}: make it with "
                "create_bulk_run_item()"
            )


def check_alone(name: str, items: Sequence[WorkflowRunTriggerConfig]) -> None:
    """Refuse items of other workflows, whose results would not be of the promised type.

    Raises:
        InvalidRun: There is one.
    """
    for index, item in enumerate(items):
        if item.workflow_name != name:
            raise InvalidRun(
                f"workflow {name!r}: run_many: item {index} is of workflow "
                f"{item.workflow_name!r}: make it with create_bulk_run_item() of {name!r}"
            )
