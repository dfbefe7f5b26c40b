"""`hatchet.workflows`: workflows that the cluster holds, whoever defined them."""

from podhatch.client import workflows
from podhatch.client.paging import Rows, Window
from podhatch.client.workflows import StoredWorkflow, StoredWorkflowVersion
from podhatch.features.base import FeatureClient


class WorkflowsClient(FeatureClient):
    """Workflows of one namespace. Each is named by its name or its id, `metadata.id`."""

    def list(
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
        return self._wait(workflows.find, Window.of(offset, limit), workflow_name)

    async def aio_list(
        self,
        workflow_name: str | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> Rows[StoredWorkflow]:
        """Do what `list` does, in an event loop."""
        return await self._aio_wait(workflows.find, Window.of(offset, limit), workflow_name)

    def get(self, workflow_id: str) -> StoredWorkflow:
        """Return the workflow.

        Args:
            workflow_id: Its name, or that of the Workflow object.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        return self._wait(workflows.get, workflow_id)

    async def aio_get(self, workflow_id: str) -> StoredWorkflow:
        """Do what `get` does, in an event loop."""
        return await self._aio_wait(workflows.get, workflow_id)

    def get_version(self, workflow_id: str, version: str | None = None) -> StoredWorkflowVersion:
        """Return a version of the workflow, as runs have pinned it.

        Args:
            workflow_id: The workflow.
            version: `workflow_version_id` of a run; by default that of the newest one.

        Raises:
            RequestRefused: There is none.
        """
        return self._wait(workflows.get_version, workflow_id, version)

    async def aio_get_version(
        self, workflow_id: str, version: str | None = None
    ) -> StoredWorkflowVersion:
        """Do what `get_version` does, in an event loop."""
        return await self._aio_wait(workflows.get_version, workflow_id, version)

    def delete(self, workflow_id: str) -> None:
        """Delete the workflow, and with it its crons, filters and runs.

        Args:
            workflow_id: Its name, or that of the Workflow object.

        Raises:
            RequestRefused: There is no such object, or access is denied.
        """
        self._wait(workflows.delete, workflow_id)

    async def aio_delete(self, workflow_id: str) -> None:
        """Do what `delete` does, in an event loop."""
        await self._aio_wait(workflows.delete, workflow_id)
