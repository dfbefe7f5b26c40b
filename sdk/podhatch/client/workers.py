"""`hatchet.workers`: the nodes that may run tasks, in place of Hatchet's workers."""

from collections.abc import AsyncGenerator, Generator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from enum import StrEnum

from podhatch.api.model import ApiObject, JsonObject
from podhatch.client import objects
from podhatch.client.feature import FeatureClient
from podhatch.client.paging import MAX_PAGE_SIZE, Metadata, Rows, Window, metadata_of
from podhatch.client.session import Session
from podhatch.client.twins import async_twin, blocking
from podhatch.cluster import NODE, ApiError, ClusterApi
from podhatch.errors import RequestRefused


class WorkerState(StrEnum):
    """Whether a node takes tasks."""

    ACTIVE = "ACTIVE"
    """It is ready."""
    INACTIVE = "INACTIVE"
    """It is not ready, or its kubelet does not report."""
    PAUSED = "PAUSED"
    """It is cordoned: its pods keep running, and no others start."""


@dataclass(frozen=True)
class NodeLabel:
    """A label of a node, which `desired_worker_labels` of tasks are compared with."""

    key: str
    value: str


@dataclass(frozen=True)
class WorkerRow:
    """A node."""

    metadata: Metadata
    """Its id is the node's name; it has no namespace."""
    name: str
    """The node's name."""
    status: WorkerState
    """Whether it takes tasks."""
    labels: list[NodeLabel]
    """Its labels."""
    slots: int
    """How many pods it may hold, of tasks and others."""
    capacity: dict[str, str]
    """What pods may request there, such as cpu, memory and GPUs, as Kubernetes quantities."""


async def _find(session: Session, window: Window) -> Rows[WorkerRow]:
    nodes, page = await window.of_all(_nodes(session.cluster, window.reach))
    return Rows([_row(node) for node in nodes], page)


async def _get(session: Session, name: str) -> WorkerRow:
    objects.check_name(NODE, name)
    with _explained(name):
        return _row(await session.cluster.get(NODE, "", name))


async def _nodes(cluster: ClusterApi, at_most: int) -> AsyncGenerator[JsonObject, None]:
    pages = cluster.pages(NODE, page_size=min(at_most, MAX_PAGE_SIZE))
    with _explained():
        async with aclosing(pages):
            async for page, _ in pages:
                for node in page:
                    yield node


@contextmanager
def _explained(name: str = "") -> Generator[None]:
    try:
        yield
    except ApiError as error:
        if error.status == 403:
            raise RequestRefused(
                "hatchet.workers may not read the nodes of the cluster: ask for a ClusterRole with "
                f"the verbs get and list on nodes ({error.message})"
            ) from None
        if error.status == 404 and name:
            raise RequestRefused(f"there is no node {name!r} in the cluster") from None
        raise RequestRefused(f"the API server refused the list of nodes: {error}") from None


def _row(node: JsonObject) -> WorkerRow:
    identity = ApiObject.model_validate({"metadata": node["metadata"]})
    allocatable: dict[str, str] = node.get("status", {}).get("allocatable", {})
    return WorkerRow(
        metadata=metadata_of(identity),
        name=identity.metadata.name,
        status=_state(node),
        labels=[NodeLabel(key, value) for key, value in identity.metadata.labels.items()],
        slots=int(allocatable.get("pods", "0")),
        capacity=allocatable,
    )


def _state(node: JsonObject) -> WorkerState:
    conditions: list[JsonObject] = node.get("status", {}).get("conditions", [])
    ready = any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
    if not ready:
        return WorkerState.INACTIVE
    return WorkerState.PAUSED if node["spec"].get("unschedulable") else WorkerState.ACTIVE


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
        return await self._ask(_find, Window.of(offset, limit))

    aio_list = async_twin(list)

    @blocking
    async def get(self, worker_id: str) -> WorkerRow:
        """Return a node, in place of Hatchet's worker.

        Args:
            worker_id: Name of the Node.

        Raises:
            RequestRefused: There is no such node, or access is denied.
        """
        return await self._ask(_get, worker_id)

    aio_get = async_twin(get)
