"""What the resync relies on in a list. Held to by the fake and by the real API server."""

from podhatch.cluster import WORKFLOW_RUN, Cluster

from tests.fakes.contract import run_in
from tests.unit.operator.operator_cluster import OperatorCluster


async def check_pages(cluster: Cluster | OperatorCluster) -> None:
    """Pages hold each object once, versions, and with metadata only nothing else."""
    namespace = cluster.namespace
    for name in ("one", "two", "three"):
        manifest = run_in(namespace, name)
        manifest["metadata"]["labels"] = {"odd": "no" if name == "two" else "yes"}
        await cluster.create(manifest)
    whole = {
        raw["metadata"]["name"]: raw
        async for page, _ in cluster.pages(WORKFLOW_RUN, namespace, label_selector="odd=yes")
        for raw in page
    }
    assert set(whole) == {"one", "three"}
    assert all(raw["spec"]["input"] == {"id": 7} for raw in whole.values())
    async for page, version in cluster.pages(WORKFLOW_RUN, namespace, metadata_only=True):
        assert all("spec" not in raw for raw in page)
        assert all(int(raw["metadata"]["resourceVersion"]) <= int(version) for raw in page)
    await cluster.delete(WORKFLOW_RUN, namespace, "one")
    left = [len(page) async for page, _ in cluster.pages(WORKFLOW_RUN, namespace)]
    assert sum(left) == 2
