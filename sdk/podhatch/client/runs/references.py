"""References to runs: what `run_no_wait` and `schedule` return, and how outputs are decoded."""

import json
from abc import ABC, abstractmethod
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from podhatch.client.target import Target
from podhatch.client.twins import async_twin, blocking, in_background
from podhatch.errors import BulkTriggerIdempotencyCollisionError, IdempotencyCollisionError
from podhatch.task.loading import refuse_run
from podhatch.values.codec import load_value

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from podhatch.api.model import JsonObject
    from podhatch.api.run import WorkflowRun
    from podhatch.task.handle import TaskHandle

Input = TypeVar("Input")
R_co = TypeVar("R_co", covariant=True)


class RunRef(ABC, Generic[R_co]):
    """A run, and how its outputs become its result.

    Attributes:
        workflow_run_id: Name of the WorkflowRun object; `str()` of the reference gives it too.
        namespace: Where the object is; None for where the kubeconfig or the pod says.
    """

    def __init__(self, target: Target, run: "JsonObject | str") -> None:
        """Refer to a run as it was created, or by its name."""
        seen = None if isinstance(run, str) else run
        self.workflow_run_id = str(seen["metadata"]["name"] if seen else run)
        self.namespace = str(seen["metadata"]["namespace"]) if seen else target.namespace
        self._target = target
        self._seen = seen

    @blocking
    async def result(self) -> R_co:
        """Wait for the run's end and return its result.

        Of a workflow it is each task's output as JSON, by task name; tasks that were skipped are
        left out. Of a standalone task it is the output, as what the task declares to return. A run
        that was replayed since it was asked for last is waited for again.

        Raises:
            FailedTaskRunExceptionGroup: The run failed; it holds an error for each failed task.
            IllegalTaskOutputError: The output is not what the standalone task declares to return.
            InvalidRun: The cluster did not accept the run's input.
            RunCancelled: The run was cancelled.
            RunDeleted: The run was deleted before its end was seen, or there never was one.
        """
        from podhatch.client.runs import children

        texts = children.outputs(self._target, self.workflow_run_id, self._take_seen())
        return self.value_of(await in_background(texts))

    aio_result = async_twin(result)

    @blocking
    async def get(self) -> "WorkflowRun":
        """Return the run as it stands, with the state of each task.

        Raises:
            RequestRefused: There is no such run, or the cluster does not let you.
        """
        from podhatch.client.runs import lookup

        return await in_background(lookup.read(self._target, self.workflow_run_id))

    aio_get = async_twin(get)

    def stream(self) -> "AsyncGenerator[str | bytes, None]":
        """Yield what the tasks of the run put into its stream: see `runs.subscribe_to_stream`."""
        refuse_run()
        from podhatch.client import logs

        return logs.stream(self._target, self.workflow_run_id)

    @abstractmethod
    def value_of(self, texts: dict[str, str | None]) -> R_co:
        """Return the result of the run.

        Args:
            texts: The tasks' outputs, JSON texts by task name.
        """

    def _take_seen(self) -> "JsonObject | None":
        """Return the run as it was created, once: later it may have been replayed."""
        seen, self._seen = self._seen, None
        return seen

    def __str__(self) -> str:
        return self.workflow_run_id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.namespace or ''}/{self.workflow_run_id}>"


class WorkflowRunRef(RunRef[dict[str, Any]]):
    """A run of a workflow."""

    def value_of(self, texts: dict[str, str | None]) -> dict[str, Any]:
        """Return each task's output by task name.

        Args:
            texts: The tasks' outputs, JSON by task name.
        """
        return {task: None if text is None else json.loads(text) for task, text in texts.items()}


@contextmanager
def referring(target: Target) -> Generator[None]:
    """Add references to the errors that name runs which hold an idempotency key."""
    try:
        yield
    except IdempotencyCollisionError as error:
        error.ref = WorkflowRunRef(target, error.existing_run_external_id)
        raise
    except BulkTriggerIdempotencyCollisionError as error:
        for each in error.collisions:
            each.ref = WorkflowRunRef(target, each.existing_run_external_id)
        raise


class TaskRunRef(RunRef[R_co], Generic[Input, R_co]):
    """A run of a standalone task."""

    def __init__(self, task: "TaskHandle[R_co]", target: Target, run: "JsonObject | str") -> None:
        super().__init__(target, run)
        self._task = task

    def value_of(self, texts: dict[str, str | None]) -> R_co:
        """Return the task's output, as the type that the task returns.

        Args:
            texts: The tasks' outputs, JSON by task name.
        """
        text = texts.get(self._task.name)
        if len(texts) == 1 and self._task.name not in texts:  # a stub knows no task's name
            [text] = texts.values()
        misfit = f"run {self}: the output is not what task {self._task.name} declares to return"
        value = load_value("null" if text is None else text, self._task.output_validator, misfit)
        return cast("R_co", value)


@dataclass(frozen=True)
class ScheduledWorkflow:
    """One scheduled run."""

    id: str
    """Name of the WorkflowRun object: the run's, and the schedule's."""
    trigger_at: datetime
    """When it starts, in UTC."""


@dataclass(frozen=True)
class WorkflowVersion:
    """What `schedule` returns, as the Hatchet SDK does."""

    id: str
    """Name of the Workflow object."""
    scheduled_workflows: tuple[ScheduledWorkflow, ...]
    """The run, as the only one."""
