"""`hatchet.workflows`: workflows that the cluster holds, whoever defined them."""

from podhatch.client import workflows
from podhatch.client.paging import Rows, Window
from podhatch.client.parameters import DEFAULT_QUEUE_TTL
from podhatch.client.twins import async_twin, blocking
from podhatch.client.workflows import (
    QueueBehavior,
    StoredWorkflow,
    StoredWorkflowVersion,
)
from podhatch.features.base import FeatureClient
from podhatch.values.duration import Duration


class WorkflowsClient(FeatureClient):
    """Workflows of one namespace. Each is named by its name or its id, `metadata.id`."""

    @blocking
    async def list(
        self,
        workflow_name: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Rows[StoredWorkflow]:
        """Return workflows.

        Args:
            workflow_name: The one of this name.
            limit: Maximum number of items; 100 by default.
            offset: Number of items to skip.
        """
        return await self._ask(workflows.find, Window.of(offset, limit), workflow_name)

    aio_list = async_twin(list)

    @blocking
    async def get(self, workflow_id: str) -> StoredWorkflow:
        """Return the workflow.

        Args:
            workflow_id: Its name, or that of the Workflow object.
        """
        return await self._ask(workflows.get, workflow_id)

    aio_get = async_twin(get)

    @blocking
    async def get_version(
        self, workflow_id: str, version: str | None = None
    ) -> StoredWorkflowVersion:
        """Return a version of the workflow, as runs have pinned it.

        Args:
            workflow_id: The workflow.
            version: `workflow_version_id` of a run; by default that of the newest one.

        Raises:
            RequestRefused: There is none.
        """
        return await self._ask(workflows.get_version, workflow_id, version)

    aio_get_version = async_twin(get_version)

    @blocking
    async def pause(
        self,
        workflow_id: str,
        queue_ttl: Duration = DEFAULT_QUEUE_TTL,
        paused_workflow_cron_run_queue_behavior: QueueBehavior = "QUEUE",
        paused_workflow_scheduled_run_queue_behavior: QueueBehavior = "QUEUE",
    ) -> StoredWorkflow:
        """Pause the workflow: runs that have started continue, others wait until it is unpaused.

        Pausing it again changes the options.

        Args:
            workflow_id: Its name, or that of the Workflow object.
            queue_ttl: A run that has waited for so long since its creation is cancelled.
            paused_workflow_cron_run_queue_behavior: Whether a tick of a cron creates a run, which
                waits (QUEUE), or none (DROP).
            paused_workflow_scheduled_run_queue_behavior: Whether a scheduled run waits once its
                time has come (QUEUE), or is cancelled (DROP).

        Raises:
            ValueError: An option is not valid.
        """
        return await self._ask(
            workflows.pause,
            workflow_id,
            queue_ttl,
            paused_workflow_cron_run_queue_behavior,
            paused_workflow_scheduled_run_queue_behavior,
        )

    aio_pause = async_twin(pause)

    @blocking
    async def unpause(self, workflow_id: str) -> StoredWorkflow:
        """Unpause the workflow: all its waiting runs start.

        Args:
            workflow_id: Its name, or that of the Workflow object.
        """
        return await self._ask(workflows.unpause, workflow_id)

    aio_unpause = async_twin(unpause)

    @blocking
    async def delete(self, workflow_id: str) -> None:
        """Delete the workflow, and with it its crons, filters and runs.

        Args:
            workflow_id: Its name, or that of the Workflow object.
        """
        await self._ask(workflows.delete, workflow_id)

    aio_delete = async_twin(delete)
