"""`hatchet.workers`: the nodes that may run tasks."""

from podhatch.client import workers
from podhatch.client.paging import Rows, Window
from podhatch.client.twins import async_twin, blocking
from podhatch.client.workers import WorkerRow
from podhatch.features.base import FeatureClient


class WorkersClient(FeatureClient):
    """Nodes of the cluster. To look at them needs a right that a namespace's users may not have.

    All methods raise `RequestRefused` without it.
    """

    @blocking
    async def list(self, offset: int | None = None, limit: int | None = None) -> Rows[WorkerRow]:
        """Return the nodes, by name.

        Args:
            offset: Number of items to skip.
            limit: Maximum number of items; 100 by default.
        """
        return await self._ask(workers.find, Window.of(offset, limit))

    aio_list = async_twin(list)

    @blocking
    async def get(self, worker_id: str) -> WorkerRow:
        """Return a node, in place of Hatchet's worker.

        Args:
            worker_id: Name of the Node.

        Raises:
            RequestRefused: There is no such node, or access is denied.
        """
        return await self._ask(workers.get, worker_id)

    aio_get = async_twin(get)
