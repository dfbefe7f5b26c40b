"""`hatchet.workflows`: workflows that the cluster holds, whoever defined them."""

from podhatch.client import workflows
from podhatch.client.paging import Rows, Window
from podhatch.client.twins import async_twin, blocking
from podhatch.client.workflows import StoredWorkflow, StoredWorkflowVersion
from podhatch.features.base import FeatureClient


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
    async def delete(self, workflow_id: str) -> None:
        """Delete the workflow, and with it its crons, filters and runs.

        Args:
            workflow_id: Its name, or that of the Workflow object.
        """
        await self._ask(workflows.delete, workflow_id)

    aio_delete = async_twin(delete)
