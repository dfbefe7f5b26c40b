"""The methods that start many runs at once: at a bounded rate, awaited by one watch."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Generic, Literal, Unpack, overload

from podhatch.definitions.options.run_options import (
    NO_OPTIONS,
    RunOptions,
    TriggerWorkflowOptions,
    wishes_of,
)
from podhatch.definitions.running.bulk_item import (
    WorkflowRunTriggerConfig,
    check_items,
    workflow_of,
)
from podhatch.definitions.running.one_run import Ref_co, Result_co, Running
from podhatch.definitions.task import Input
from podhatch.errors import PodhatchError

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.manifest import Publication
    from podhatch.client.runs.request import RunRequest
    from podhatch.client.runs.rows import Outputs

Items = Sequence[WorkflowRunTriggerConfig]
Progress = Callable[[int, int], None]


class RunningMany(Running[Input, Result_co, Ref_co], Generic[Input, Result_co, Ref_co]):
    """Can be run many times at once."""

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
            InvalidRun: The input or an option cannot be.
        """
        from podhatch.values.codec import dump_json
        from podhatch.values.input import dump_input

        if key is not None:
            flat = {**flat, "child_key": key}
        wishes = wishes_of(self.name, {}, options or NO_OPTIONS, flat)
        return WorkflowRunTriggerConfig(
            workflow_name=self.name,
            input=dump_json(dump_input(self.name, self.input_validator, input)),
            options=TriggerWorkflowOptions(
                additional_metadata=wishes.metadata, priority=wishes.priority
            ),
            key=wishes.child_key,
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
    def run_many(
        self,
        workflows: Items,
        return_exceptions: bool = False,
        wait_for_result: bool = True,
        progress: Progress | None = None,
    ) -> Sequence[Result_co | BaseException] | Sequence[Ref_co | BaseException]:
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
            InvalidRun: An item cannot be; nothing was created.
            PodhatchError: What `run` raises.
            TypeError: One is no item.
        """
        from podhatch.client import background_loop
        from podhatch.client.runs import execution

        requests, publication = self._requests(workflows)
        started = execution.start_many(
            self.target,
            publication,
            requests,
            progress=progress,
            return_exceptions=return_exceptions,
        )
        runs = background_loop.wait(started)
        if not wait_for_result:
            return self._references(runs)
        ended = execution.outputs_of_many(self.target, runs, return_exceptions=return_exceptions)
        return self._results(runs, background_loop.wait(ended), return_exceptions)

    @overload
    async def aio_run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[False] = False,
        wait_for_result: Literal[True] = True,
        progress: Progress | None = None,
    ) -> list[Result_co]: ...
    @overload
    async def aio_run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[True],
        wait_for_result: Literal[True] = True,
        progress: Progress | None = None,
    ) -> list[Result_co | BaseException]: ...
    @overload
    async def aio_run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[False] = False,
        *,
        wait_for_result: Literal[False],
        progress: Progress | None = None,
    ) -> list[Ref_co]: ...
    @overload
    async def aio_run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[False],
        wait_for_result: Literal[False],
        progress: Progress | None = None,
    ) -> list[Ref_co]: ...
    @overload
    async def aio_run_many(
        self,
        workflows: Items,
        return_exceptions: Literal[True],
        wait_for_result: Literal[False],
        progress: Progress | None = None,
    ) -> list[Ref_co | BaseException]: ...
    async def aio_run_many(
        self,
        workflows: Items,
        return_exceptions: bool = False,
        wait_for_result: bool = True,
        progress: Progress | None = None,
    ) -> Sequence[Result_co | BaseException] | Sequence[Ref_co | BaseException]:
        """Do what `run_many` does, in an event loop."""
        from podhatch.client import background_loop
        from podhatch.client.runs import execution

        requests, publication = self._requests(workflows)
        started = execution.start_many(
            self.target,
            publication,
            requests,
            progress=progress,
            return_exceptions=return_exceptions,
        )
        runs = await background_loop.aio_wait(started)
        if not wait_for_result:
            return self._references(runs)
        ended = execution.outputs_of_many(self.target, runs, return_exceptions=return_exceptions)
        return self._results(runs, await background_loop.aio_wait(ended), return_exceptions)

    def run_many_no_wait(self, workflows: Items, progress: Progress | None = None) -> list[Ref_co]:
        """Start it once for each item, and return references in the order of the items.

        Args:
            workflows: Made by `create_bulk_run_item`.
            progress: Called after each creation with the number of runs created and of all items,
                one call at a time, in a thread of podhatch's own. What it raises is raised at once;
                runs that are created by then go on.

        Raises:
            InvalidRun: An item cannot be; nothing was created.
            RequestRefused: The API server did not accept a run; others may be created by then.
            TypeError: One is no item.
        """
        return self.run_many(workflows, wait_for_result=False, progress=progress)

    async def aio_run_many_no_wait(
        self, workflows: Items, progress: Progress | None = None
    ) -> list[Ref_co]:
        """Do what `run_many_no_wait` does, in an event loop."""
        return await self.aio_run_many(workflows, wait_for_result=False, progress=progress)

    def _requests(self, items: Items) -> "tuple[list[RunRequest], Publication]":
        """Check all items before the first run is created."""
        from podhatch.values.input import check_input

        items = list(items)  # a generator is over when it was checked
        check_items(self.name, items)
        self._check_items(items)
        workflows = [workflow_of(item, self.workflow) for item in items]
        requests = [
            workflow._request_of(
                check_input(workflow.name, workflow.input_validator, item.input),
                item.options,
                {"child_key": item.key},
            )
            for workflow, item in zip(workflows, items, strict=True)
        ]
        return requests, self.workflow.project.publication(list(dict.fromkeys(workflows)))

    def _check_items(self, items: Items) -> None:
        """Refuse items that this cannot run."""

    def _references(
        self, runs: "Sequence[JsonObject | BaseException]"
    ) -> "list[Ref_co | BaseException]":
        return [run if isinstance(run, BaseException) else self.get_run_ref(run) for run in runs]

    def _results(
        self,
        runs: "Sequence[JsonObject | BaseException]",
        outputs: "Sequence[Outputs | BaseException]",
        return_exceptions: bool,
    ) -> list[Result_co | BaseException]:
        results: list[Result_co | BaseException] = []
        for run, texts in zip(runs, outputs, strict=True):
            if isinstance(run, BaseException):
                results.append(run)
            elif isinstance(texts, BaseException):
                results.append(texts)
            else:
                results.append(self._result(run, texts, return_exceptions))
        return results

    def _result(
        self, run: "JsonObject", texts: "Outputs", return_exceptions: bool
    ) -> Result_co | BaseException:
        try:
            return self.get_run_ref(run).value_of(texts)
        except PodhatchError as error:
            if return_exceptions:
                return error
            raise
