"""What contexts, conditions, mocks and the runner need to know of a task, without its definition.

The handles of all tasks that this process has defined are here too: a pod finds its own task after
importing the user's code. It is found by name and not by location, so functions may be defined
anywhere, also inside functions.
"""

# ruff: noqa: D102 - the definitions have docstrings

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from podhatch.config import ClientConfig

R_co = TypeVar("R_co", covariant=True)


class WorkflowHandle(Protocol):
    """The workflow of a task, `podhatch.definitions.workflow.Workflow`."""

    @property
    def name(self) -> str: ...

    @property
    def config(self) -> "ClientConfig": ...

    @property
    def input_validator(self) -> type[Any]: ...

    @property
    def lifespan(self) -> Callable[..., object] | None: ...


class TaskHandle(Protocol[R_co]):
    """A task that returns `R_co`, `podhatch.definitions.task.Task`."""

    @property
    def name(self) -> str: ...

    @property
    def fn(self) -> Callable[..., object]: ...

    @property
    def workflow(self) -> WorkflowHandle: ...

    @property
    def output_validator(self) -> type[R_co] | None: ...

    @property
    def retries(self) -> int: ...

    @property
    def is_durable(self) -> bool: ...

    @property
    def is_async_function(self) -> bool: ...

    @property
    def subject(self) -> str: ...


class StandaloneHandle(Protocol[R_co]):
    """A workflow of one task."""

    @property
    def task(self) -> TaskHandle[R_co]: ...


_tasks: dict[tuple[str, str], TaskHandle[Any]] = {}
_stubs: set[str] = set()


def register_task(task: TaskHandle[Any]) -> None:
    """Add a task; of two with the same name the later counts, as in a notebook cell run twice."""
    _tasks[task.workflow.name, task.name] = task


def register_stub(workflow_name: str) -> None:
    """Add the name of a workflow whose code is elsewhere."""
    _stubs.add(workflow_name)


def is_known(name: str) -> bool:
    """Tell whether a task, or the workflow of a stub, has the name."""
    return name in _stubs or any(name == task for _, task in _tasks)


def find_task(workflow_name: str, task_name: str) -> TaskHandle[Any] | None:
    """Return the task by its workflow's true name and its own name, or None."""
    return _tasks.get((workflow_name, task_name))
