"""What a task's function gets beside its input: `def charge(input, ctx: Context)`.

Made by the runner in a pod, by `run_local` and `mock_run` in the user's process. The runner loads
this before the task starts, so it imports little: a dataclass alone would load `inspect`.
"""

import itertools
import json
import os
import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from podhatch.api.pod import SKIPPED_OUTPUT
from podhatch.errors import InvalidRun, TaskRunError

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.api.pod import TriggerReport
    from podhatch.task.handle import StandaloneHandle, TaskHandle
    from podhatch.values.duration import Duration

R = TypeVar("R")

MAX_LINE = 10_000
"""Characters of a line of the log; what comes after them is cut, as Hatchet does."""
_NO_TRIGGER: "TriggerReport" = {}
_OF_DURABLE_TASKS = (
    *("aio_sleep_for", "aio_sleep_until", "aio_wait_for", "aio_wait_for_event"),
    *("aio_now", "aio_memo", "invocation_count", "wait_index"),
)
_writing = threading.Lock()


class Host:
    """Carries out what a task asks of its context. Runner and `run_local` have subclasses.

    This one knows no cluster and no clock, which is enough for tests.
    """

    def __init__(self) -> None:
        self._cancelled = False

    def is_cancelled(self) -> bool:
        """Whether the task was asked to stop."""
        return self._cancelled

    def cancel(self) -> None:
        """End the task, and with it the run, as cancelled."""
        self._cancelled = True

    def extend_timeout(self, seconds: float) -> None:
        """Give the task more time."""

    def write(self, line: str) -> None:
        """Add a line to the task's log, whole, whatever other threads write through this."""
        with _writing:
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()


class WorkerContext:
    """The pod this task runs in; its older names in the Hatchet SDK."""

    def __init__(self, pod: str) -> None:
        self.pod = pod

    def id(self) -> str:
        """Return the name of the pod; empty without one."""
        return self.pod

    def labels(self) -> dict[str, str | int]:
        """Return nothing: no task is sent to a pod by its labels."""
        return {}

    def upsert_labels(self, labels: Mapping[str, str | int]) -> None:
        """Do nothing: a pod runs one task, so no other task selects it by labels.

        Args:
            labels: Ignored.
        """

    async def async_upsert_labels(self, labels: Mapping[str, str | int]) -> None:
        """Do what `upsert_labels` does."""


class Context:
    """Facts about the task and its run, its parents' outputs, and what it can do.

    Whoever runs a task without a cluster makes one of what it knows: four names will do.

    Attributes:
        workflow_run_id: Name of the WorkflowRun.
        task_run_id: Name of this attempt's Job.
        workflow_name: The workflow's name, as its definition spells it.
        task_name: This task's name.
        attempt_number: 1 for the first attempt.
        retry_count: How often the task was tried before: 0 in the first attempt.
        max_attempts: One more than the task's retries. Pods that were lost come on top.
        additional_metadata: What the run was started with.
        input: The run's input as a JSON object, before it was validated.
        trigger: How the run was started, as the operator reports it; `priority`, `child_key` and
            the others below read it.
        workflow_version_id: The ControllerRevision that pins the workflow; empty without a cluster.
        worker_id: Name of the pod; empty without one.
        run_uid: The WorkflowRun's uid; empty without a cluster. For the owner references of child
            runs.
        parents: Outputs as JSON values by the name of the task; `{"skipped": true}` of a skipped
            one.
        errors: For a failure task: the errors' texts by the name of the task that failed.
        lifespan: What the lifespan yielded; None without one.
        host: Carries out what the task asks for.
    """

    def __init__(
        self,
        *,
        workflow_run_id: str,
        task_run_id: str,
        workflow_name: str,
        task_name: str,
        attempt_number: int = 1,
        retry_count: int = -1,
        max_attempts: int = 1,
        additional_metadata: dict[str, str] | None = None,
        input: "JsonObject | None" = None,
        trigger: "TriggerReport" = _NO_TRIGGER,
        workflow_version_id: str = "",
        worker_id: str = "",
        run_uid: str = "",
        parents: Mapping[str, object] | None = None,
        errors: Mapping[str, str] | None = None,
        lifespan: Any = None,
        host: Host | None = None,
    ) -> None:
        self.workflow_run_id = workflow_run_id
        self.task_run_id = task_run_id
        self.workflow_name = workflow_name
        self.task_name = task_name
        self.attempt_number = attempt_number
        self.retry_count = retry_count if retry_count >= 0 else attempt_number - 1
        self.max_attempts = max_attempts
        self.additional_metadata = additional_metadata or {}
        self.input = input or {}
        self.trigger: TriggerReport = trigger
        self.workflow_version_id = workflow_version_id
        self.worker_id = worker_id
        self.run_uid = run_uid
        self.parents = parents or {}
        self.errors = errors or {}
        self.lifespan = lifespan
        self.host = host or Host()
        self._children = itertools.count()
        self._process = os.getpid()
        self._chunks = 0
        self._streaming = threading.Lock()

    if not TYPE_CHECKING:  # a type checker is to find such names

        def __getattr__(self, name: str) -> object:
            if name in _OF_DURABLE_TASKS:
                why = f"ctx.{name} is for durable tasks: define the task with durable_task()"
            else:
                why = f"{type(self).__name__!r} object has no attribute {name!r}"
            raise AttributeError(why, name=name, obj=self)

    @property
    def workflow_input(self) -> "JsonObject":
        """The run's input as a JSON object; the older name of `input`."""
        return self.input

    @property
    def step_run_id(self) -> str:
        """The older name of `task_run_id`."""
        return self.task_run_id

    @property
    def workflow_id(self) -> str:
        """Name of the Workflow object."""
        from podhatch.api.names import object_name

        return self.trigger.get("workflow") or object_name(self.workflow_name)

    @property
    def worker_labels(self) -> dict[str, str | int]:
        """Always empty: a pod serves one task, so it has no labels to choose it by."""
        return {}

    @property
    def worker(self) -> WorkerContext:
        """The pod, as older code asks for it: `ctx.worker.id()`."""
        return WorkerContext(self.worker_id)

    @property
    def priority(self) -> int | None:
        """1 to 3, as the run or its workflow says; None when neither does."""
        return self.trigger.get("priority")

    @property
    def parent_workflow_run_id(self) -> str | None:
        """Name of the run whose task started this run; None when no task did."""
        return self.trigger.get("parentRun")

    @property
    def child_index(self) -> int | None:
        """Which child of its parent task this run is, counted from 0."""
        return self.trigger.get("childIndex")

    @property
    def child_key(self) -> str | None:
        """The key by which the parent task started this run."""
        return self.trigger.get("childKey")

    @property
    def was_triggered_by_event(self) -> bool:
        """Whether an event started this run."""
        return "eventKey" in self.trigger

    @property
    def triggering_event_id(self) -> str | None:
        """Id of the event that started this run."""
        return self.trigger.get("eventId")

    @property
    def triggering_event_key(self) -> str | None:
        """Key of the event that started this run."""
        return self.trigger.get("eventKey")

    @property
    def filter_payload(self) -> "JsonObject":
        """Payload of the filter that let the event through; empty when there was none."""
        return self.trigger.get("filterPayload", {})

    @property
    def trigger_data(self) -> "JsonObject":
        """What the trigger brought along: the filter's payload, if there is one."""
        payload = self.trigger.get("filterPayload")
        return {"filter_payload": payload} if payload else {}

    @overload
    def task_output(self, task: "TaskHandle[R] | StandaloneHandle[R]") -> R: ...
    @overload
    def task_output(self, task: str) -> Any: ...
    def task_output(self, task: "TaskHandle[R] | StandaloneHandle[R] | str") -> Any:
        """Return a parent's output, validated to what the parent declares to return.

        Args:
            task: The parent; by its name, the output comes as plain JSON values.

        Raises:
            ValueError: The task is not a parent of this one, or was skipped.
            IllegalTaskOutputError: The output does not fit what the parent declares.
        """
        if self.was_skipped(task):
            raise ValueError(
                f"task {_name(task)} was skipped and has no output: ask ctx.was_skipped() first"
            )
        if isinstance(task, str):
            return self._output_of(task)
        from podhatch.values.codec import load_value

        parent = cast("TaskHandle[R]", getattr(task, "task", task))
        misfit = f"the output is not what task {parent.name} declares to return"
        return load_value(json.dumps(self._output_of(parent.name)), parent.output_validator, misfit)

    async def aio_task_output(self, task: "TaskHandle[R] | StandaloneHandle[R]") -> R:
        """Do what `task_output` does; the older SDK's name."""
        return self.task_output(task)

    def was_skipped(self, task: "TaskHandle[Any] | StandaloneHandle[Any] | str") -> bool:
        """Return whether a parent was skipped, and so has no output.

        A parent that returns `{"skipped": True}` counts as skipped too.

        Args:
            task: The parent, or its name.

        Raises:
            ValueError: The task is not a parent of this one.
        """
        return self._output_of(_name(task)) == SKIPPED_OUTPUT

    @property
    def task_run_errors(self) -> dict[str, str]:
        """In a failure task: the error's text of each task that failed, by its name."""
        return dict(self.errors)

    def get_task_run_error(
        self, task: "TaskHandle[Any] | StandaloneHandle[Any] | str"
    ) -> TaskRunError | None:
        """Return, in a failure task, why a task failed; None if it did not.

        The error's `task_run_external_id` is the id of the failed task, as in `runs.get`.

        Args:
            task: The task, or its name.
        """
        text = self.errors.get(_name(task))
        if text is None:
            return None
        told, mark, trace = text.partition("\nTraceback (most recent call last):")
        kind, colon, message = told.partition(": ")
        if not colon or not kind.isidentifier():
            kind, message = "Error", told
        failed = f"{self.workflow_run_id}/{_name(task)}"
        return TaskRunError(message, kind, f"{mark}{trace}".lstrip("\n"), failed, task=_name(task))

    fetch_task_run_error = get_task_run_error

    @property
    def is_cancelled(self) -> bool:
        """Whether the task was asked to stop; a long loop in a sync function looks at this."""
        return self.host.is_cancelled()

    @property
    def exit_flag(self) -> bool:
        """The older name of `is_cancelled`."""
        return self.is_cancelled

    def done(self) -> bool:
        """Return `is_cancelled`; the older SDK's way to ask."""
        return self.is_cancelled

    def cancel(self) -> None:
        """End this task as cancelled, and with it the run.

        It is as if the run had been cancelled from outside: `is_cancelled` is true at once, an
        async function gets its `CancelledError` after a second, and 25 seconds later the process
        ends. What the function returns or raises after this call is not looked at.
        """
        self.host.cancel()

    async def aio_cancel(self) -> None:
        """Do what `cancel` does."""
        self.cancel()

    def refresh_timeout(self, increment_by: "Duration") -> None:
        """Give the running attempt more time: the increment is added to its current deadline.

        The operator is told, so that the Job's own deadline moves along. A pod without access to
        the cluster (`cluster_access=False`, or a service account of its own) moves its own deadline
        only, and its Job ends it about a minute after `schedule_timeout` and `execution_timeout`
        together, counted from the Job's start.

        In all, an attempt gets at most `maxExtensionSeconds` of the task or the chart, by default a
        day. What is asked for beyond that is left out, and the task's log says so.

        Args:
            increment_by: A timedelta, or a text such as `1h30m`.

        Raises:
            ValueError: It is not a duration.
        """
        from podhatch.values.duration import seconds

        self.host.extend_timeout(seconds(increment_by))

    async def aio_refresh_timeout(self, increment_by: "Duration") -> None:
        """Do what `refresh_timeout` does, in an event loop."""
        import asyncio

        await asyncio.to_thread(self.refresh_timeout, increment_by)

    def log(
        self,
        line: str | Mapping[str, object],
        raise_on_error: bool = False,  # noqa: ARG002 - users of Hatchet pass it
    ) -> None:
        """Write to the task's log, which is the pod's.

        Args:
            line: A text, each line of which is cut at 10,000 characters; a mapping becomes JSON.
            raise_on_error: Accepted for Hatchet's sake; nothing is sent that could be refused.
        """
        text = line if isinstance(line, str) else json.dumps(line, default=str)
        self.host.write("\n".join(each[:MAX_LINE] for each in text.split("\n")))

    async def aio_log(self, line: str | Mapping[str, object], raise_on_error: bool = False) -> None:
        """Do what `log` does."""
        self.log(line, raise_on_error)

    def put_stream(self, data: str | bytes) -> None:
        """Send a chunk to those who subscribed to the run's stream, now or later.

        Chunks keep their order, also from several threads. One of more than 1,300 characters or
        11,000 bytes arrives in several. Errors are logged and not raised, as in
        Hatchet.

        Args:
            data: Text arrives as text, bytes as bytes.
        """
        from podhatch.api.stream import chunk_lines

        try:
            with self._streaming:
                for line in chunk_lines(self._chunks, data):
                    self.host.write(line)
                    self._chunks += 1
        except Exception as error:
            sys.stderr.write(f"podhatch: a chunk was not streamed: {error}\n")

    async def aio_put_stream(self, data: str | bytes) -> None:
        """Do what `put_stream` does."""
        self.put_stream(data)

    def release_slot(self) -> None:
        """Do nothing: a pod is nobody else's slot."""

    async def aio_release_slot(self) -> None:
        """Do nothing: a pod is nobody else's slot."""

    def upsert_worker_labels(self, labels: Mapping[str, str | int]) -> None:
        """Do nothing: a pod runs one task, so no other task selects it by labels.

        Args:
            labels: Ignored.
        """

    async def aio_upsert_worker_labels(self, labels: Mapping[str, str | int]) -> None:
        """Do what `upsert_worker_labels` does."""

    def next_child_index(self) -> int:
        """Count the child runs that this attempt starts: 0, 1, and so on. For the run methods.

        Raises:
            InvalidRun: Asked in a process forked from the task's, which counts for itself: two
                children would have the same index, and be one.
        """
        if os.getpid() != self._process:
            raise InvalidRun(
                "a child run was started in a process that the task forked: start it in the task's "
                "own process or its threads, or pass child_key="
            )
        return next(self._children)

    def _output_of(self, parent: str) -> object:
        if parent in self.parents:
            return self.parents[parent]
        advice = f"add it to parents= of {self.task_name}"
        if not self.run_uid:  # there is no run: a test calls the function
            advice = f"pass parent_outputs={{{parent!r}: ...}} to mock_run; else {advice}"
        raise ValueError(
            f"task {self.task_name} of workflow {self.workflow_name} has no output of task "
            f"{parent}: {advice}"
        )


def _name(task: "TaskHandle[Any] | StandaloneHandle[Any] | str") -> str:
    """Return the name of a task; a standalone task's may differ from its workflow's."""
    if isinstance(task, str):
        return task
    return cast("TaskHandle[Any]", getattr(task, "task", task)).name
