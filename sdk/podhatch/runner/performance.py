"""One call of the user's function, with lifespan and dependencies around it.

Made by the attempt in a pod, and by `run_local` in a thread: it knows of no process and no cluster.
"""

import inspect
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Protocol

from podhatch.runner.arguments import Arguments
from podhatch.runner.loader import LoadedTask
from podhatch.task.dependencies import parameters_of

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from podhatch.runner.conductor import Conductor


class Stages(Protocol):
    """What is told as the call goes on."""

    def begin(self) -> None:
        """The lifespan is set up; the task starts, with its dependencies."""
        ...

    def end(self, value: object, error: BaseException | None) -> None:
        """The task and its dependencies have ended; the lifespan's rest comes after this."""
        ...


class Performance:
    """Calls the function once."""

    def __init__(self, task: LoadedTask, arguments: Arguments, stages: Stages) -> None:
        self._task = task
        self._arguments = arguments
        self._stages = stages
        self._conductor: Conductor | None = None

    def run(self) -> None:
        """Call it, in this thread.

        Raises:
            LifespanSetupError: The task was not started. How else it ended, the stages are told.
        """
        if self._task.lifespan or _is_awaited(self._task):
            self._conduct(self._task, self._stages)
            return
        self._stages.begin()
        try:
            value = self._task.function(*self._arguments.positional)
        except BaseException as error:
            self._stages.end(None, error)
            return
        if inspect.iscoroutine(value):  # a decorator hid that the function is async
            self._conduct(
                replace(self._task, function=partial(_return, value)), _Begun(self._stages)
            )
        else:
            self._stages.end(value, None)

    @property
    def cleans_up(self) -> bool:
        """Whether something may run after the end was told."""
        return self._conductor is not None

    @property
    def coroutine(self) -> "Coroutine[Any, Any, object] | None":
        """What is awaited; None while a function that is not async runs."""
        return self._conductor.coroutine if self._conductor else None

    def interrupt(self) -> bool:
        """Cancel what is awaited, from another thread; False while nothing is.

        A function that is not async, and the clean-up after the task, are not interrupted.
        """
        return self._conductor is not None and self._conductor.interrupt()

    def _conduct(self, task: LoadedTask, stages: Stages) -> None:
        from podhatch.runner.conductor import Conductor

        self._conductor = Conductor(task, self._arguments, stages)
        self._conductor.run()


class _Begun:
    """The stages of a task that has begun already."""

    def __init__(self, stages: Stages) -> None:
        self.end = stages.end

    def begin(self) -> None:
        """Do nothing."""


def _return(value: object, *_: object) -> object:
    return value


def _is_awaited(task: LoadedTask) -> bool:
    """Tell whether the function is async, or has dependencies, which may be."""
    is_async = inspect.iscoroutinefunction(inspect.unwrap(task.function))
    return is_async or bool(parameters_of(task.function).dependencies)
