"""Every task defined in this process, so that a pod finds its own after importing the user's code.

Found by name and not by location, so functions may be defined anywhere, also inside functions.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from podhatch.definitions.task import Task

_tasks: "dict[tuple[str, str], Task[Any, Any]]" = {}
_stubs: set[str] = set()


def register_task(task: "Task[Any, Any]") -> None:
    """Add a task; of two with the same name the later counts, as in a notebook cell run twice."""
    _tasks[task.workflow.name, task.name] = task


def register_stub(workflow_name: str) -> None:
    """Remember that a workflow's code is elsewhere."""
    _stubs.add(workflow_name)


def is_known(name: str) -> bool:
    """Tell whether a task, or the workflow of a stub, has the name."""
    return name in _stubs or any(name == task for _, task in _tasks)


def find_task(workflow_name: str, task_name: str) -> "Task[Any, Any] | None":
    """Return the task by its workflow's true name and its own name, or None."""
    return _tasks.get((workflow_name, task_name))
