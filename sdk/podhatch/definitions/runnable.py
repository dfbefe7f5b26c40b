"""All that can be run: once, many times at once, or without a cluster.

`run()` is three steps: prepare what to create, execute it (publish, create, wait), and decode the
outputs.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack, cast, overload

from podhatch.client.runs.references import RunRef, WorkflowRunRef, referring
from podhatch.client.twins import async_twin, blocking, in_background
from podhatch.definitions.definition import Definition
from podhatch.definitions.options.run_options import (
    NO_OPTIONS,
    RunOptions,
    TriggerWorkflowOptions,
    WorkflowRunTriggerConfig,
    run_settings,
)
from podhatch.definitions.prepare import prepare_run, prepare_runs
from podhatch.definitions.task import Input
from podhatch.errors import IdempotencyCollisionError, PodhatchError

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.runs.execution import Ended
    from podhatch.local.clock import Clock
    from podhatch.local.options import LocalEvent


Result_co = TypeVar("Result_co", covariant=True)
Ref_co = TypeVar("Ref_co", bound=RunRef[Any], covariant=True)


Items = Sequence[WorkflowRunTriggerConfig]
Progress = Callable[[int, int], None]


class Runnable(Definition[Input], Generic[Input, Result_co, Ref_co]):
    """Has runs with a result of its own type, and references to them of its own type."""

    _runs_others = True
    """Whether `run_many` takes items of other workflows."""

    @abstractmethod
    def get_run_ref(self, run_id: "JsonObject | str") -> Ref_co:
        """Return a reference to a run of this. Touches no cluster.

        Args:
            run_id: The run's name, or the WorkflowRun object.
        """

    @overload
    def run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        *,
        wait_for_result: Literal[True] = True,
        **flat: Unpack[RunOptions],
    ) -> Result_co: ...
    @overload
    def run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        *,
        wait_for_result: Literal[False],
        **flat: Unpack[RunOptions],
    ) -> Ref_co: ...
    @blocking
    async def run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        *,
        wait_for_result: bool = True,
        **flat: Unpack[RunOptions],
    ) -> Result_co | Ref_co:
        """Run it, wait for its end, and return the result.

        A workflow returns each task's output as JSON by task name, without those that were
        skipped; a standalone task its output, as what it declares to return. Inside a task the run
        is a child of it: a later attempt of the task that asks in the same order, or with the same
        `child_key`, gets the same run and its result.

        Args:
            input: What is declared, or a dict that fits it; by default an EmptyModel.
            options: Metadata and so on.
            wait_for_result: False: return a reference as soon as the run is created.
            flat: The same options by keyword, which count first: see `RunOptions`.

        Raises:
            FailedTaskRunExceptionGroup: The run failed; it holds an error for each failed task.
            IdempotencyCollisionError: Another run holds the idempotency key; nothing was created.
            IllegalTaskOutputError: The output is not what a standalone task declares to return.
            InvalidRun: The input does not fit; nothing was created.
            NonDeterminismError: An earlier attempt started a run of another workflow here.
            RequestRefused: The API server did not accept the run.
            RunCancelled: The run was cancelled.
            TypeError: There is no such option.
        """
        prepared = prepare_run(self.workflow, input, options or NO_OPTIONS, flat)
        from podhatch.client.runs import children

        with referring(self.target):
            if not wait_for_result:
                return self.get_run_ref(await in_background(children.start(*prepared)))
            run, outputs = await in_background(children.execute(*prepared))
        return self.get_run_ref(run).value_of(outputs)

    aio_run = async_twin(run)

    @blocking
    async def run_no_wait(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        **flat: Unpack[RunOptions],
    ) -> Ref_co:
        """Start it and return a reference to the run, whose `result()` waits for it.

        The run is created when this returns; it needs no process of yours to go on.

        Args:
            input: What is declared, or a dict that fits it; by default an EmptyModel.
            options: Metadata and so on.
            flat: The same options by keyword, which count first: see `RunOptions`.

        Raises:
            IdempotencyCollisionError: Another run holds the idempotency key; nothing was created.
            InvalidRun: The input does not fit; nothing was created.
            NonDeterminismError: An earlier attempt started a run of another workflow here.
            RequestRefused: The API server did not accept the run.
            TypeError: There is no such option.
        """
        prepared = prepare_run(self.workflow, input, options or NO_OPTIONS, flat)
        from podhatch.client.runs import children

        with referring(self.target):
            return self.get_run_ref(await in_background(children.start(*prepared)))

    aio_run_no_wait = async_twin(run_no_wait)

    def get_result(self, run_id: str) -> Result_co:
        """Wait for a run of this to end, and return its result as `run` does.

        Args:
            run_id: The run's name.

        Raises:
            RunDeleted: There is no such run.
            PodhatchError: What `run` raises.
        """
        return self.get_run_ref(run_id).result()

    async def aio_get_result(self, run_id: str) -> Result_co:
        """Do what `get_result` does, in an event loop."""
        return await self.get_run_ref(run_id).aio_result()

    def create_bulk_run_item(
        self,
        input: "Input | JsonObject | None" = None,
        key: str | None = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        **flat: Unpack[RunOptions],
    ) -> WorkflowRunTriggerConfig:
        """Return an item for `run_many`, checked in full.

        Args:
            input: What is declared, or a dict that fits it; by default an EmptyModel.
            key: In a task: tells this child run from the task's others, in place of an index.
            options: Metadata and so on.
            flat: The same options by keyword, which count first: see `RunOptions`.

        Raises:
            InvalidRun: The input or an option is not valid.
        """
        from podhatch.values.codec import dump_json
        from podhatch.values.input import dump_input

        if key is not None:
            flat = {**flat, "child_key": key}
        settings = run_settings(self.name, {}, options or NO_OPTIONS, flat)
        return WorkflowRunTriggerConfig(
            workflow_name=self.name,
            input=dump_json(dump_input(self.name, self.input_validator, input)),
            options=TriggerWorkflowOptions(
                additional_metadata=settings.metadata, priority=settings.priority
            ),
            key=settings.child_key,
        )

    @overload
    def run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[False] = False,
        wait_for_result: Literal[True] = True,
        progress: Progress | None = None,
    ) -> list[Result_co]: ...
    @overload
    def run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[True],
        wait_for_result: Literal[True] = True,
        progress: Progress | None = None,
    ) -> list[Result_co | BaseException]: ...
    @overload
    def run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[False] = False,
        *,
        wait_for_result: Literal[False],
        progress: Progress | None = None,
    ) -> list[Ref_co]: ...
    @overload
    def run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[False],
        wait_for_result: Literal[False],
        progress: Progress | None = None,
    ) -> list[Ref_co]: ...
    @overload
    def run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[True],
        wait_for_result: Literal[False],
        progress: Progress | None = None,
    ) -> list[Ref_co | BaseException]: ...
    @blocking
    async def run_many(
        self,
        workflows: Items,
        return_exceptions: bool = False,
        wait_for_result: bool = True,
        progress: Progress | None = None,
    ) -> Sequence[Result_co | Ref_co | BaseException]:
        """Run it once for each item, and return the results in the order of the items.

        At most 100 runs are created in a second, 16 at a time, and one watch waits for all.

        Args:
            workflows: Made by `create_bulk_run_item`. Those of a Workflow's run_many may be of
                other workflows of the same `Hatchet`, those of a standalone task's of itself only.
            return_exceptions: True: an error stands in the place of a run's result. False: the
                first one is raised at once; runs that are created by then go on.
            wait_for_result: False: return references as soon as the runs are created.
            progress: Called after each creation with the number of runs created and of all items,
                one call at a time, in a thread of podhatch's own. What it raises is raised at once;
                runs that are created by then go on.

        Raises:
            BulkTriggerIdempotencyCollisionError: Other runs hold the idempotency keys of some
                items; all other runs are created. With `return_exceptions` an
                IdempotencyCollisionError stands in the place of each of these items instead.
            InvalidRun: An item is not valid; nothing was created.
            PodhatchError: What `run` raises.
            TypeError: One is not made by `create_bulk_run_item`.
        """
        return await self._run_many(workflows, return_exceptions, wait_for_result, progress)

    aio_run_many = async_twin(run_many)

    @blocking
    async def run_many_no_wait(
        self, workflows: Items, progress: Progress | None = None
    ) -> list[Ref_co]:
        """Start it once for each item, and return references in the order of the items.

        Args:
            workflows: Made by `create_bulk_run_item`.
            progress: Called after each creation with the number of runs created and of all items,
                one call at a time, in a thread of podhatch's own. What it raises is raised at once;
                runs that are created by then go on.

        Raises:
            BulkTriggerIdempotencyCollisionError: Other runs hold the idempotency keys of some
                items; all other runs are created.
            InvalidRun: An item is not valid; nothing was created.
            RequestRefused: The API server did not accept a run; others may be created by then.
            TypeError: One is not made by `create_bulk_run_item`.
        """
        started = await self._run_many(workflows, False, False, progress)
        return cast("list[Ref_co]", started)

    aio_run_many_no_wait = async_twin(run_many_no_wait)

    @blocking
    async def run_local(
        self,
        input: "Input | JsonObject | None" = None,
        *,
        processes: bool = False,
        clock: "Clock | None" = None,
        mocks: Mapping[str, Any] | None = None,
        events: "Sequence[LocalEvent]" = (),
        **flat: Unpack[RunOptions],
    ) -> Result_co:
        """Run it without a cluster, and return or raise what `run` would.

        The operator's own code decides: order, conditions, retries and backoff, time limits,
        failure and success tasks. What a pod sees in its variables, a task finds in its context.
        Runs that tasks start are local too; of threads that a task starts itself, in those with a
        copied context (`contextvars.copy_context()`), as `asyncio.to_thread` makes it. Needs
        `pip install 'podhatch[local]'`.

        In threads (the default), all tasks share this process: `os.environ` and the working folder
        are its own, and `Pod` settings have no effect. A function that is not async goes on in the
        background when its time is over or its run is cancelled: a thread cannot be killed. Child
        processes get the variables of `Pod(env=...)` that are plain texts, and are killed. A
        durable task always has a thread, and keeps it however long it waits.

        Args:
            input: What is declared, or a dict that fits it; by default an EmptyModel.
            processes: Run each attempt in a process of its own, as a pod does. Its code is found as
                this process finds it; runs that it starts are run by it, anew in each attempt.
            clock: The time by which waits are measured, such as a `podhatch.testing.FakeClock`; by
                default the machine's.
            mocks: What stands in for tasks, by their names: a value that the task returns, or a
                function of `(input, ctx)` that is run in its place, in this process. By the name of
                a stub, for which the input is a dict.
            events: Pushed while the run is under way, for those who wait for events.
            flat: Metadata and so on, as for `run`.

        Raises:
            ExtraMissing: The extra is not installed.
            FailedTaskRunExceptionGroup: The run failed; it holds an error for each failed task.
            IllegalTaskOutputError: The output is not what a standalone task declares to return.
            InvalidRun: The input does not fit, the code is not in this process, or a name in
                `mocks` is that of no task or stub.
            RunCancelled: The run was cancelled.
        """
        from podhatch.local.options import LocalOptions, require_extra

        require_extra()
        from podhatch.client.runs import execution
        from podhatch.local.session import blocking_local_runs

        options = LocalOptions(processes=processes, clock=clock, mocks=mocks or {}, events=events)
        async with blocking_local_runs(options):
            prepared = prepare_run(self.workflow, input, NO_OPTIONS, flat)
            with referring(self.target):
                run, outputs = await in_background(execution.execute(*prepared))
            return self.get_run_ref(run).value_of(outputs)

    aio_run_local = async_twin(run_local)

    async def _run_many(
        self,
        items: Items,
        return_exceptions: bool,
        wait_for_result: bool,
        progress: Progress | None,
    ) -> list[Result_co | Ref_co | BaseException]:
        requests, publication = prepare_runs(self.workflow, items, only_own=not self._runs_others)
        from podhatch.client.runs import children

        call = children.execute_many(
            self.target,
            publication,
            requests,
            progress=progress,
            return_exceptions=return_exceptions,
            wait_for_result=wait_for_result,
        )
        with referring(self.target):
            ended = await in_background(call)
        return [self._decoded(each, return_exceptions) for each in ended]

    def _decoded(
        self, ended: "Ended | BaseException", return_exceptions: bool
    ) -> Result_co | Ref_co | BaseException:
        """Return the result of one run of many, or a reference where nobody waited for it."""
        if isinstance(ended, IdempotencyCollisionError):
            ended.ref = WorkflowRunRef(self.target, ended.existing_run_external_id)
        if isinstance(ended, BaseException):
            return ended
        run, outputs = ended
        reference = self.get_run_ref(run)
        if outputs is None:
            return reference
        try:
            return reference.value_of(outputs)
        except PodhatchError as error:
            if return_exceptions:
                return error
            raise
