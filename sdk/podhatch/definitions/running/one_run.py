"""The methods that start one run, and wait for it or not."""

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack, overload

from podhatch.definitions.definition import Definition
from podhatch.definitions.options.run_options import NO_OPTIONS, RunOptions, TriggerWorkflowOptions
from podhatch.definitions.running.references import RunRef
from podhatch.definitions.task import Input

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject

Result_co = TypeVar("Result_co", covariant=True)
Ref_co = TypeVar("Ref_co", bound=RunRef[Any], covariant=True)


class Running(Definition[Input], Generic[Input, Result_co, Ref_co]):
    """Can be run."""

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
    def run(
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
            IllegalTaskOutputError: The output is not what a standalone task declares to return.
            InvalidRun: The input does not fit; nothing was created.
            NonDeterminismError: An earlier attempt started a run of another workflow here.
            RequestRefused: The API server did not accept the run.
            RunCancelled: The run was cancelled.
            TypeError: There is no such option.
        """
        reference = self.run_no_wait(input, options, **flat)
        return reference.result() if wait_for_result else reference

    @overload
    async def aio_run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        *,
        wait_for_result: Literal[True] = True,
        **flat: Unpack[RunOptions],
    ) -> Result_co: ...
    @overload
    async def aio_run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        *,
        wait_for_result: Literal[False],
        **flat: Unpack[RunOptions],
    ) -> Ref_co: ...
    async def aio_run(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        *,
        wait_for_result: bool = True,
        **flat: Unpack[RunOptions],
    ) -> Result_co | Ref_co:
        """Do what `run` does, in an event loop."""
        reference = await self.aio_run_no_wait(input, options, **flat)
        return await reference.aio_result() if wait_for_result else reference

    def run_no_wait(
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
            InvalidRun: The input does not fit; nothing was created.
            NonDeterminismError: An earlier attempt started a run of another workflow here.
            RequestRefused: The API server did not accept the run.
            TypeError: There is no such option.
        """
        request = self._request(input, options or NO_OPTIONS, flat)
        from podhatch.client import background_loop
        from podhatch.client.runs import execution

        started = execution.start(self.target, self._publication(), request)
        return self.get_run_ref(background_loop.wait(started))

    async def aio_run_no_wait(
        self,
        input: "Input | JsonObject | None" = None,
        options: TriggerWorkflowOptions | None = NO_OPTIONS,
        **flat: Unpack[RunOptions],
    ) -> Ref_co:
        """Do what `run_no_wait` does, in an event loop."""
        request = self._request(input, options or NO_OPTIONS, flat)
        from podhatch.client import background_loop
        from podhatch.client.runs import execution

        started = execution.start(self.target, self._publication(), request)
        return self.get_run_ref(await background_loop.aio_wait(started))

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
