"""Finds the code of a task in this process: what stands in for it, or what its workflow names."""

from collections.abc import Callable
from dataclasses import replace

from podhatch.local.options import Mocks
from podhatch.runner.assignment import Assignment
from podhatch.runner.loader import LoadedTask, find_defined, load


def find_code(assignment: Assignment, mocks: Mocks) -> LoadedTask:
    """Return what to run for a task.

    Raises:
        TaskFailure: There is no such module or function, or importing the module failed.
    """
    defined = find_defined(assignment)
    if assignment.task not in mocks:
        return defined or load(assignment)
    stand_in = _function(mocks[assignment.task])
    if defined is None:
        return LoadedTask(stand_in, dict)
    return replace(defined, function=stand_in)


def _function(mock: object) -> Callable[..., object]:
    return mock if callable(mock) else lambda: mock
