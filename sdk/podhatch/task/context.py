"""What a task's function gets beside its input: `def charge(input, ctx: Context)`.

Made by the runner in a pod, by `run_local` and `mock_run` in the user's process.
"""

import itertools
import json
import os
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

from podhatch.api.stream import chunk_lines
from podhatch.errors import InvalidRun, TaskRunError
from podhatch.task.facts import Facts
from podhatch.task.host import Host
from podhatch.values.codec import load_value

if TYPE_CHECKING:
    from podhatch.definitions.standalone import Standalone
    from podhatch.definitions.task import Task
    from podhatch.values.duration import Duration

R = TypeVar("R")

SKIPPED = {"skipped": True}
"""What stands in the place of a skipped parent's output."""
MAX_LINE = 10_000
"""Characters of a line of the log; what comes after them is cut, as Hatchet does."""


@dataclass(kw_only=True, eq=False, repr=False)
class Context(Facts):
    """Facts about the task and its run, its parents' outputs, and what it can do.

    Whoever runs a task without a cluster makes one of what it knows: four names will do.

    Attributes:
        parents: Outputs as JSON values by the name of the task; `{"skipped": true}` of a skipped
            one.
        errors: For a failure task: the errors' texts by the name of the task that failed.
        lifespan: What the lifespan yielded; None without one.
        host: Who carries out what the task asks for.
    """

    parents: Mapping[str, object] = field(default_factory=dict[str, object])
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    lifespan: Any = None
    host: Host = field(default_factory=Host)

    def __post_init__(self) -> None:
        super().__post_init__()
        self._children = itertools.count()
        self._process = os.getpid()
        self._chunks = 0
        self._streaming = threading.Lock()

    @overload
    def task_output(self, task: "Task[Any, R] | Standalone[Any, R]") -> R: ...
    @overload
    def task_output(self, task: str) -> Any: ...
    def task_output(self, task: "Task[Any, R] | Standalone[Any, R] | str") -> Any:
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
        parent = cast("Task[Any, R]", getattr(task, "task", task))
        return load_value(json.dumps(self._output_of(parent.name)), parent.output_validator)

    async def aio_task_output(self, task: "Task[Any, R] | Standalone[Any, R]") -> R:
        """Do what `task_output` does; the older SDK's name."""
        return self.task_output(task)

    def was_skipped(self, task: "Task[Any, Any] | Standalone[Any, Any] | str") -> bool:
        """Tell whether a parent was skipped, and so has no output.

        A parent that returns `{"skipped": True}` itself cannot be told from one that was.

        Raises:
            ValueError: The task is not a parent of this one.
        """
        return self._output_of(_name(task)) == SKIPPED

    @property
    def task_run_errors(self) -> dict[str, str]:
        """In a failure task: the error's text of each task that failed, by its name."""
        return dict(self.errors)

    def get_task_run_error(
        self, task: "Task[Any, Any] | Standalone[Any, Any] | str"
    ) -> TaskRunError | None:
        """Return, in a failure task, why a task failed; None if it did not.

        Its `task_run_external_id` is the id of the task that failed, as `runs.get` has it.
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
            ValueError: It is no duration.
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
        11,000 bytes arrives in several. What goes wrong is told in the log, not raised, as in
        Hatchet.

        Args:
            data: Text arrives as text, bytes as bytes.
        """
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
        """Do nothing: a pod serves one task, so it has no labels to choose it by."""

    async def aio_upsert_worker_labels(self, labels: Mapping[str, str | int]) -> None:
        """Do nothing: a pod serves one task, so it has no labels to choose it by."""

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


def _name(task: "Task[Any, Any] | Standalone[Any, Any] | str") -> str:
    """Return the name of a task; a standalone task's may differ from its workflow's."""
    return task if isinstance(task, str) else str(getattr(task, "task", task).name)
