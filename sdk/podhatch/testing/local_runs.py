"""What a test holds while runs are local: the clock, what stands in for tasks, and what has run."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from podhatch.local.clock import FakeClock
from podhatch.local.options import LocalEvent

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.api.run import WorkflowRun, WorkflowRunStatus
    from podhatch.api.task_status import TaskStatus
    from podhatch.definitions.runnable import Runnable
    from podhatch.local.session import LocalSession


class LocalRuns:
    """All runs of one test. They happen in threads of this process, and touch no cluster.

    Runs are named by their `workflow_run_id` or a reference; where none is named, the run that was
    started last is meant.

    Attributes:
        clock: The time of the runs; waits of workflows make it jump.
        mocks: What stands in for tasks, by their names: a value that the task returns, or a
            function of `(input, ctx)` that is run in its place. Empty; tests fill it.
    """

    def __init__(self, session: "LocalSession", clock: FakeClock, mocks: dict[str, Any]) -> None:
        self.clock = clock
        self.mocks = mocks
        self._session = session
        self._numbers = itertools.count(1)

    def push_event(
        self, key: str, payload: Mapping[str, Any] | None = None, scope: str | None = None
    ) -> None:
        """Tell runs of something that they may wait for, as `hatchet.event.push` does.

        Args:
            key: What `UserEventCondition` names.
            payload: What conditions call `input`.
            scope: Conditions that name a scope take events of that scope only.
        """
        from podhatch.client.background_loop import wait
        from podhatch.local.session import event_manifest

        event = LocalEvent(key, payload or {}, scope)
        wait(self._session.create(event_manifest(f"test-event-{next(self._numbers)}", event)))

    def register_workflows(self, *workflows: "Runnable[Any, Any, Any]") -> None:
        """Make workflows known before one of them runs: events start only known ones."""
        from podhatch.client.background_loop import wait

        for each in workflows:
            wait(self._session.publish(each.workflow.manifest()))

    @property
    def runs(self) -> "list[WorkflowRun]":
        """All runs as they stand, in the order in which they were created."""
        from podhatch.api.run import WorkflowRun
        from podhatch.client.background_loop import wait

        return [WorkflowRun.model_validate(each) for each in wait(self._stored())]

    def run(self, run: object = None) -> "WorkflowRun":
        """Return a run as it stands.

        Raises:
            LookupError: There is no such run.
        """
        runs = self.runs
        found = [each for each in runs if run is None or each.metadata.name == str(run)]
        if not found:
            started = ", ".join(each.metadata.name for each in runs) or "none"
            raise LookupError(f"no run {run or 'was started'}; the runs of this test: {started}")
        return found[-1]

    def status(self, run: object = None) -> "WorkflowRunStatus":
        """Return a run's status as the cluster would show it.

        Raises:
            LookupError: There is no such run, or it has not been looked at yet.
        """
        status = self.run(run).status
        if status is None:
            raise LookupError(f"run {self.run(run).metadata.name} has no status yet")
        return status

    def task(self, name: str, run: object = None) -> "TaskStatus":
        """Return where a task stands: its state, attempts, times, error.

        Raises:
            LookupError: There is no such run, or it has no such task.
        """
        tasks = {each.name: each for each in self.status(run).tasks}
        if name not in tasks:
            raise LookupError(f"no task {name}; the tasks of the run: {', '.join(tasks)}")
        return tasks[name]

    def states(self, run: object = None) -> dict[str, str]:
        """Return the state of each task: Succeeded, Skipped, Failed and so on.

        Raises:
            LookupError: There is no such run.
        """
        return {each.name: each.state for each in self.status(run).tasks}

    def attempts(self, task: str, run: object = None) -> int:
        """Return how often a task was tried.

        Raises:
            LookupError: There is no such run, or it has no such task.
        """
        return self.task(task, run).attempt

    async def _stored(self) -> "list[JsonObject]":
        self._session.engine.settle()
        return [*self._session.engine.cluster.stored("WorkflowRun").values()]
