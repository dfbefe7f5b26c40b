"""Finds the code of a task in this process: what stands in for it, or what its workflow names."""

from collections.abc import Callable

from podhatch.api import pod
from podhatch.local.options import Mocks
from podhatch.local.work import Work
from podhatch.runner.assignment import Assignment
from podhatch.runner.loader import LoadedTask, find_defined, load


def find_code(work: Work, assignment: Assignment, mocks: Mocks) -> LoadedTask:
    """Return what to run for a task; what stands in for it has no lifespan.

    Raises:
        TaskFailure: There is no such module or function, or importing the module failed.
    """
    defined = find_defined(assignment)
    if (name := mock_name(work, mocks)) is None:
        return defined or load(assignment)
    stand_in = _function(mocks[name])
    if defined is None:
        return LoadedTask(stand_in, dict)
    return defined._replace(function=stand_in, lifespan=None)


def mock_name(work: Work, mocks: Mocks) -> str | None:
    """Return under which name something stands in for a task: its own, or its stub's."""
    names = (work.task,) if work.has_code else (work.task, work.environ[pod.WORKFLOW])
    return next((name for name in names if name in mocks), None)


def _function(mock: object) -> Callable[..., object]:
    return mock if callable(mock) else lambda: mock
