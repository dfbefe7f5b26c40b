"""`mock_run`: a task's bare function, called in this process with a context that a test makes up.

Base of tasks and standalone tasks. Nothing of a run is there: no cluster, no retry, no time limit.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from podhatch.values.parsing import metadata_texts

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.definitions.mock_journal import MockEvents
    from podhatch.task.handle import TaskHandle


Input = TypeVar("Input")
R_co = TypeVar("R_co", covariant=True)

RUN = "mock-run"
"""`workflow_run_id` and `task_run_id` of such a call."""


class Mockable(ABC, Generic[Input, R_co]):
    """Has one function, which can be called by itself."""

    @property
    @abstractmethod
    def _mocked(self) -> "TaskHandle[R_co]":
        """The task whose function is called."""

    def mock_run(
        self,
        input: "Input | JsonObject | None" = None,
        additional_metadata: Mapping[str, object] | None = None,
        parent_outputs: Mapping[str, Any] | None = None,
        retry_count: int = 0,
        lifespan: Any = None,
        dependencies: Mapping[str, Any] | None = None,
        *,
        events: "MockEvents | None" = None,
    ) -> R_co:
        """Call the task's function, which is not async, and return what it returns.

        As in the Hatchet SDK. The input is validated as in a pod; the output is not. The waits of a
        durable task take no time: each sleep moves on what `ctx.aio_now()` returns. Expressions of
        events are not evaluated.

        Args:
            input: What is declared, or a dict that fits it; by default an EmptyModel.
            additional_metadata: The run's metadata, as the context returns it.
            parent_outputs: What `ctx.task_output()` finds, by the parent's name; for a skipped
                parent `{"skipped": True}`.
            retry_count: How often the task was tried before.
            lifespan: What `ctx.lifespan` is.
            dependencies: Values of parameters with `Depends`, by their names; the others are made
                by their functions.
            events: For a durable task, by the key of an event: the payload that each wait for it
                gets. Or a list with a payload for each wait in turn, None where the event does not
                come and a sleep beside it ends the wait.

        Raises:
            InvalidRun: The input does not fit.
            LookupError: A durable task would wait forever: an event is not among `events`.
            LoopAlreadyRunningError: A dependency is async, and an event loop runs in this thread.
            TypeError: The function is async, or has no such dependency, or is not durable and has
                events.
        """
        task = self._mocked
        if task.is_async_function:
            raise TypeError(f"{task.subject}: it is async: call aio_mock_run")
        facts = (input, additional_metadata, parent_outputs, retry_count, lifespan, events)
        return cast("R_co", _Call(task, dependencies or {}, *facts).run())

    async def aio_mock_run(
        self,
        input: "Input | JsonObject | None" = None,
        additional_metadata: Mapping[str, object] | None = None,
        parent_outputs: Mapping[str, Any] | None = None,
        retry_count: int = 0,
        lifespan: Any = None,
        dependencies: Mapping[str, Any] | None = None,
        *,
        events: "MockEvents | None" = None,
    ) -> R_co:
        """Do what `mock_run` does, for a function that is async.

        Raises:
            InvalidRun: The input does not fit.
            LookupError: A durable task would wait forever: an event is not among `events`.
            TypeError: The function is not async, or has no such dependency, or is not durable and
                has events.
        """
        task = self._mocked
        if not task.is_async_function:
            raise TypeError(f"{task.subject}: it is not async: call mock_run")
        facts = (input, additional_metadata, parent_outputs, retry_count, lifespan, events)
        return cast("R_co", await _Call(task, dependencies or {}, *facts).aio_run())


class _Call:
    """One call of a task's function."""

    def __init__(
        self,
        task: "TaskHandle[Any]",
        dependencies: Mapping[str, Any],
        input: object,
        metadata: Mapping[str, object] | None,
        parent_outputs: Mapping[str, Any] | None,
        retry_count: int,
        lifespan: Any,
        events: "MockEvents | None",
    ) -> None:
        """Make input and context as a pod would make them of the same facts."""
        import json

        from podhatch.definitions.mock_journal import MockJournal
        from podhatch.runner.call import arguments_for
        from podhatch.runner.loader import LoadedTask
        from podhatch.task import Context
        from podhatch.task.dependencies import parameters_of
        from podhatch.task.durable_context import DurableContext
        from podhatch.values.codec import dump_json
        from podhatch.values.input import dump_input

        unknown = dependencies.keys() - parameters_of(task.fn).dependencies.keys()
        if unknown:
            names = ", ".join(sorted(unknown))
            raise TypeError(f"{task.subject}: dependencies: no parameter with Depends: {names}")
        self._task, self._given = task, dependencies
        workflow = task.workflow
        raw = dump_input(workflow.name, workflow.input_validator, input)
        if events is not None and not task.is_durable:
            raise TypeError(f"{task.subject}: events: it is not durable, so it waits for no event")
        context = (DurableContext if task.is_durable else Context)(
            workflow_run_id=RUN,
            task_run_id=RUN,
            workflow_name=workflow.name,
            task_name=task.name,
            attempt_number=retry_count + 1,
            max_attempts=task.retries + 1,
            additional_metadata=metadata_texts("additional_metadata", metadata),
            input=raw,
            parents=json.loads(dump_json(dict(parent_outputs or {}))),
            lifespan=lifespan,
        )
        if isinstance(context, DurableContext):
            context.journal = MockJournal(events or {})
        loaded = LoadedTask(task.fn, workflow.input_validator)
        self._arguments = arguments_for(loaded, raw, context)

    def run(self) -> object:
        """Call a function that is not async; its dependencies may be."""
        from podhatch.task.dependencies import needs_loop

        if not needs_loop(self._task.fn):
            called = self.aio_run()
            try:
                called.send(None)  # nothing in it waits
            except StopIteration as end:
                return end.value
            raise AssertionError("a function that is not async has waited")
        import asyncio

        from podhatch.errors import LoopAlreadyRunningError

        try:
            asyncio.get_running_loop()
        except RuntimeError:
            return asyncio.run(self.aio_run())
        raise LoopAlreadyRunningError(
            f"{self._task.subject}: it is not async, but a dependency of it is, and an event loop "
            "runs in this thread: call it as `await asyncio.to_thread(task.mock_run, ...)`"
        )

    async def aio_run(self) -> object:
        """Call the function with its dependencies, and end them."""
        from contextlib import AsyncExitStack
        from inspect import isawaitable

        from podhatch.task import entered
        from podhatch.task.dependencies import resolve

        function, arguments = self._task.fn, self._arguments
        error: BaseException | None = None
        with entered(arguments.context):
            async with AsyncExitStack() as stack:
                values = await resolve(
                    function, arguments.input, arguments.context, stack, given=self._given
                )
                try:
                    result = function(*arguments.positional, **values)
                    return await result if isawaitable(result) else result
                except BaseException as raised:
                    error = raised
                    raise
        raise error  # a dependency has caught it: it stays the task's, as in a pod
