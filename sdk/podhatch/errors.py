"""The errors that podhatch raises for users.

The SDK raises these where a run is asked for, the runner where a task hands back its output.
"""

from collections.abc import Coroutine, Mapping
from typing import TYPE_CHECKING, Protocol, cast

if TYPE_CHECKING:
    from datetime import timedelta


class PodhatchError(Exception):
    """Base of all errors that podhatch raises on purpose: the text says what to do."""


class ClusterUnreachable(PodhatchError):  # noqa: N818 - it names a state
    """The API server did not answer, or no cluster is configured; the message says which."""


class RunReference(Protocol):
    """The part of a `WorkflowRunRef` that errors use."""

    workflow_run_id: str

    def result(self) -> Mapping[str, object]:
        """Wait for the run's end and return the tasks' outputs."""
        ...

    def aio_result(self) -> Coroutine[object, object, Mapping[str, object]]:
        """Do what `result` does, in an event loop."""
        ...


class EvictionNotSupportedError(PodhatchError):
    """Never raised here: every operator evicts. It is for code that catches it, as in Hatchet."""


class IdempotencyCollisionError(PodhatchError):
    """Another run holds the idempotency key, so no run was created.

    Attributes:
        existing_run_external_id: Name of the run that holds the key.
        key: The key.
        ref: A `WorkflowRunRef` to that run.
    """

    ref: RunReference

    def __init__(self, existing_run_external_id: str, key: str) -> None:
        super().__init__(existing_run_external_id, key)
        self.existing_run_external_id = existing_run_external_id
        self.key = key

    def __str__(self) -> str:
        return f"run {self.existing_run_external_id} holds the idempotency key {self.key!r}"


class BulkTriggerIdempotencyCollisionError(PodhatchError):
    """Other runs hold the idempotency keys of some items of `run_many`; the rest was created.

    Attributes:
        successful_workflow_run_external_ids: Names of the runs that were created, in the order of
            their items.
        collisions: An error for each of the other items, in their order.
    """

    def __init__(
        self,
        successful_workflow_run_external_ids: list[str],
        collisions: list[IdempotencyCollisionError],
    ) -> None:
        super().__init__(successful_workflow_run_external_ids, collisions)
        self.successful_workflow_run_external_ids = successful_workflow_run_external_ids
        self.collisions = collisions

    def __str__(self) -> str:
        created, count = len(self.successful_workflow_run_external_ids), len(self.collisions)
        return (
            f"{count} of {created + count} runs were not created, since other runs hold their "
            f"idempotency keys: {self.collisions[0]}{', ...' if count > 1 else ''}"
        )


class IllegalTaskOutputError(PodhatchError):
    """A task's output is not JSON, or is not what the task declares to return."""


class InvalidDependencyError(PodhatchError, ValueError):
    """A parameter of a task or dependency cannot be filled: no `Depends`, or one in a circle."""


class InvalidRun(PodhatchError, ValueError):  # noqa: N818
    """The run is not valid: its input does not fit or is too large, or an option is not valid."""


class LifespanSetupError(PodhatchError):
    """The lifespan around a task failed before its `yield`; the task was not started."""


class LoopAlreadyRunningError(PodhatchError):
    """What blocks, as `worker.start()` does, was called inside a running event loop."""


class NonDeterminismError(PodhatchError):
    """A task that was tried again does not make the same calls as before.

    Of a durable task these are its waits, child runs and memos; of another task its child runs.

    Attributes:
        task_external_id: Name of the attempt's Job.
        invocation_count: Of a durable task: the invocation that differs from those before; 0 of
            another task.
        message: What differs.
        node_id: Of a durable task: the number of the call that differs, from 1; 0 of another task.
    """

    def __init__(
        self,
        task_external_id: str,
        invocation_count: int,
        message: str,
        node_id: int,
    ) -> None:
        super().__init__(task_external_id, invocation_count, message, node_id)
        self.task_external_id = task_external_id
        self.invocation_count = invocation_count
        self.message = message
        self.node_id = node_id

    def __str__(self) -> str:
        return self.message


class NonRetryableException(PodhatchError):  # noqa: N818
    """For tasks to raise: the attempt failed, and the task is not retried."""


class NotInstalled(PodhatchError):  # noqa: N818
    """The cluster does not know the objects of podhatch."""


class RequestRefused(PodhatchError):  # noqa: N818
    """The API server did not accept an object; the text holds its reason."""


class RetryAfter(PodhatchError):  # noqa: N818
    """For tasks to raise: the attempt failed, and the next one, if any is left, waits.

    Any exception with an attribute `retry_after`, in seconds or a timedelta, does the same.

    Attributes:
        retry_after: How long, in seconds or as a timedelta; in place of the task's backoff.
    """

    def __init__(self, message: str, retry_after: "float | timedelta") -> None:
        super().__init__(message, retry_after)
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.args[0])


class RunDeleted(PodhatchError):  # noqa: N818
    """The run was deleted before its end was seen."""


class RunCancelled(PodhatchError):  # noqa: N818
    """The run ended as cancelled, so it has no result.

    Attributes:
        workflow_run_id: The run.
        reason: Why; empty if no reason was given.
    """

    def __init__(self, workflow_run_id: str, reason: str = "") -> None:
        super().__init__(workflow_run_id, reason)
        self.workflow_run_id = workflow_run_id
        self.reason = reason

    def __str__(self) -> str:
        reason = f": {self.reason}" if self.reason else ""
        return f"Workflow run {self.workflow_run_id} was cancelled{reason}"


class TaskRunError(PodhatchError):
    """Why one task of a run failed, as its pod reported it.

    Attributes:
        exc: The exception's message.
        exc_type: The exception's class name, or a reason such as `ImagePull`.
        trace: The traceback from the pod; empty when there is none.
        task_run_external_id: Name of the attempt's Job, when there was one; from a context, the
            id of the task.
        task: Name of the task.
    """

    def __init__(
        self,
        exc: str,
        exc_type: str,
        trace: str = "",
        task_run_external_id: str | None = None,
        *,
        task: str = "",
    ) -> None:
        super().__init__(exc, exc_type, trace, task_run_external_id)
        self.exc = exc
        self.exc_type = exc_type
        self.trace = trace
        self.task_run_external_id = task_run_external_id
        self.task = task

    def __str__(self) -> str:
        """Name task, type and message, and below them the traceback from the pod."""
        return f"{self.brief}\n{self.trace.rstrip()}" if self.trace else self.brief

    @property
    def brief(self) -> str:
        """Task, type and message, without the traceback."""
        subject = f"task {self.task}: " if self.task else ""
        return f"{subject}{self.exc_type}: {self.exc}"


class FailedTaskRunExceptionGroup(ExceptionGroup[TaskRunError]):
    """The run failed: one `TaskRunError` for each task that did.

    Its text names the run, and why each of these tasks failed, as Hatchet's does.
    """

    def __str__(self) -> str:
        """Say which run failed, and why; the tracebacks are in `exceptions`."""
        return f"{self.message} {'; '.join(each.brief for each in self.exceptions)}"

    @property
    def exceptions(self) -> tuple[TaskRunError, ...]:
        """The errors of the tasks that failed."""
        return cast("tuple[TaskRunError, ...]", super().exceptions)
