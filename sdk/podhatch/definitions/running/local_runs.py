"""`run_local`: a whole run without a cluster. Base of workflows and standalone tasks."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Generic, Unpack

from podhatch.definitions.options.run_options import RunOptions
from podhatch.definitions.running.one_run import Ref_co, Result_co, Running
from podhatch.definitions.task import Input

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.local.clock import Clock
    from podhatch.local.options import LocalEvent, LocalOptions


class RunningLocally(Running[Input, Result_co, Ref_co], Generic[Input, Result_co, Ref_co]):
    """Can be run without a cluster."""

    def run_local(
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
        processes get the variables of `Pod(env=...)` that are plain texts, and are killed.

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
        options = _options(processes, clock, mocks, events)
        from podhatch.local.running import local_runs

        with local_runs(options):
            return self.run(input, **flat)

    async def aio_run_local(
        self,
        input: "Input | JsonObject | None" = None,
        *,
        processes: bool = False,
        clock: "Clock | None" = None,
        mocks: Mapping[str, Any] | None = None,
        events: "Sequence[LocalEvent]" = (),
        **flat: Unpack[RunOptions],
    ) -> Result_co:
        """Do what `run_local` does, in an event loop; tasks do not run in that loop."""
        options = _options(processes, clock, mocks, events)
        from podhatch.local.running import aio_local_runs

        async with aio_local_runs(options):
            return await self.aio_run(input, **flat)


def _options(
    processes: bool,
    clock: "Clock | None",
    mocks: Mapping[str, Any] | None,
    events: "Sequence[LocalEvent]",
) -> "LocalOptions":
    from podhatch.local.extra import require_extra

    require_extra()
    from podhatch.local.options import LocalOptions

    return LocalOptions(processes=processes, clock=clock, mocks=mocks or {}, events=events)
