"""Marks the time in which this process imports the user's code only to find a task in it.

The runner imports the user's module inside `while_loading()`. A script that calls `workflow.run()`
at its top level, without a `__main__` guard, then stops there instead of starting another run.
"""

from collections.abc import Generator
from contextlib import contextmanager

_depth = 0


class RunReachedWhileLoading(BaseException):
    """The module started a run while it was only being loaded.

    Not an `Exception`, so that a script's own `except Exception` does not hide it from the runner.
    """


@contextmanager
def while_loading() -> Generator[None]:
    """Refuse runs while the user's module is imported."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def refuse_run() -> None:
    """Raise `RunReachedWhileLoading` when the user's module is only being loaded."""
    if _depth:
        raise RunReachedWhileLoading("the module starts a run while it is being loaded")
