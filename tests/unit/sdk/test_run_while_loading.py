"""User code that is only being loaded must not start a run."""

import asyncio

import pytest
from podhatch import (
    Context,
    EmptyModel,
    Hatchet,
)
from podhatch.task.loading import RunReachedWhileLoading, refuse_run, while_loading


class TestLoading:
    def test_a_run_is_refused_while_loading_only(self) -> None:
        with while_loading(), pytest.raises(RunReachedWhileLoading):
            refuse_run()
        refuse_run()

    def test_every_run_method_is_refused(self, hatchet: Hatchet) -> None:
        @hatchet.task()
        def hello(input: EmptyModel, ctx: Context) -> None: ...

        with while_loading():
            for runnable in (hello, hello.workflow):
                for run in (runnable.run, runnable.run_no_wait):
                    with pytest.raises(RunReachedWhileLoading):
                        run()
                for aio_run in (runnable.aio_run, runnable.aio_run_no_wait):
                    with pytest.raises(RunReachedWhileLoading):
                        asyncio.run(aio_run())

    def test_an_except_clause_of_the_script_does_not_hide_it(self) -> None:
        assert not issubclass(RunReachedWhileLoading, Exception)
