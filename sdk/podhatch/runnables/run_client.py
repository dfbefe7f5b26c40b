"""`hatchet.runs`: what may be done with a run that exists, by its name."""

from typing import TYPE_CHECKING, Any

from podhatch.client.target import Target
from podhatch.loading import refuse_run
from podhatch.runnables.references import TaskRunRef, WorkflowRunRef

if TYPE_CHECKING:
    from podhatch.api.run import WorkflowRun

    RunId = str | WorkflowRunRef | TaskRunRef[Any, Any]


class RunsClient:
    """Runs of one namespace. Each run is named by its `workflow_run_id`, or by a reference to it.

    All methods raise `RequestRefused` when there is no such run, or the cluster does not let you.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    def get(self, run_id: "RunId") -> "WorkflowRun":
        """Return the run as it stands, with the state of each task."""
        refuse_run()
        from podhatch.client import control, portal

        return portal.wait(control.get(self._target, str(run_id)))

    async def aio_get(self, run_id: "RunId") -> "WorkflowRun":
        """Do what `get` does, in an event loop."""
        refuse_run()
        from podhatch.client import control, portal

        return await portal.aio_wait(control.get(self._target, str(run_id)))

    def cancel(self, run_id: "RunId") -> None:
        """Cancel the run: its tasks that have not ended end now, and their pods are stopped.

        It returns once the cluster has noted it. A run that has ended stays as it is.
        """
        refuse_run()
        from podhatch.client import control, portal

        portal.wait(control.cancel(self._target, str(run_id)))

    async def aio_cancel(self, run_id: "RunId") -> None:
        """Do what `cancel` does, in an event loop."""
        refuse_run()
        from podhatch.client import control, portal

        await portal.aio_wait(control.cancel(self._target, str(run_id)))

    def replay(self, run_id: "RunId", failed_only: bool = False) -> WorkflowRunRef:
        """Let the run start over, with the same name, input and workflow.

        In this process, `result()` of any reference to the run then waits for the new outcome.

        Args:
            run_id: The run, ended or not; a cancelled one is revived.
            failed_only: Tasks that succeeded keep their outputs: only the others, and all that
                depends on them, run again.

        Returns:
            A reference to the run.
        """
        refuse_run()
        from podhatch.client import control, portal

        started = control.replay(self._target, str(run_id), failed_only=failed_only)
        return WorkflowRunRef(self._target, portal.wait(started))

    async def aio_replay(self, run_id: "RunId", failed_only: bool = False) -> WorkflowRunRef:
        """Do what `replay` does, in an event loop."""
        refuse_run()
        from podhatch.client import control, portal

        started = control.replay(self._target, str(run_id), failed_only=failed_only)
        return WorkflowRunRef(self._target, await portal.aio_wait(started))
