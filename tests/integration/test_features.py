"""The feature clients against the real API server: their promises, and what no fake can tell.

No run needs to end here, so it does not matter whether an operator is there.
"""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from podhatch import Hatchet, RequestRefused
from podhatch.api.model import JsonObject
from podhatch.client import background_loop
from podhatch.client.filters import FilterUpdate

from tests.fakes.features import LATER, NAME, Create, FeatureContract, orders
from tests.kube import KUBECONFIG, OPERATOR, Namespace, kubectl


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    name = f"features-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield Namespace(name)
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture
def hatchet(namespace: Namespace) -> Iterator[Hatchet]:
    yield Hatchet(namespace.name, kubeconfig=str(KUBECONFIG))
    background_loop.shut_down()


class TestFeatures(FeatureContract):
    @pytest.fixture
    def create(self, namespace: Namespace) -> Create:
        def create(manifest: JsonObject) -> None:
            who = ("--as", OPERATOR) if "parent" in manifest["spec"] else ()
            namespace.kubectl("create", "-f", "-", *who, stdin=json.dumps(manifest))

        return create


def test_workers_are_the_nodes(hatchet: Hatchet) -> None:
    rows = hatchet.workers.list().rows
    names = kubectl("get", "nodes", "-o", "name").replace("node/", "").split()
    assert [row.name for row in rows] == names
    first = hatchet.workers.get(names[0])
    assert first.slots > 0
    assert "kubernetes.io/hostname" in {label.key for label in first.labels}
    assert "memory" in first.capacity
    assert first.status in ("ACTIVE", "INACTIVE", "PAUSED")
    with pytest.raises(RequestRefused, match="there is no node 'no-such'"):
        hatchet.workers.get("no-such")


def test_what_the_api_server_refuses_is_said(hatchet: Hatchet) -> None:
    made = hatchet.filters.create("flow", "true", "eu")
    with pytest.raises(RequestRefused, match=r"spec\.scope"):
        hatchet.filters.update(made.metadata.id, FilterUpdate(scope="x" * 300))


def test_an_editor_of_the_namespace_may_do_all_but_look_at_nodes(
    namespace: Namespace, tmp_path: Path
) -> None:
    """With the roles of the chart, which join the cluster's own role `edit`."""
    namespace.kubectl("create", "serviceaccount", "editor")
    account = f"--serviceaccount={namespace.name}:editor"
    namespace.kubectl("create", "rolebinding", "editor", "--clusterrole=edit", account)
    hatchet = Hatchet(namespace.name, kubeconfig=str(kubeconfig_of(namespace, "editor", tmp_path)))
    namespace.apply(orders())
    try:
        cron = hatchet.cron.create(NAME, "daily", "@daily", {}).metadata.id
        hatchet.cron.suspend(cron)
        hatchet.cron.delete(cron)
        hatchet.filters.delete(hatchet.filters.create(NAME, "true", "eu").metadata.id)
        hatchet.event.get(hatchet.event.push("paid", {}).event_id)
        hatchet.scheduled.delete(hatchet.scheduled.create(NAME, LATER, {}).metadata.id)
        run = hatchet.runs.create(NAME, {}).run.metadata.id
        hatchet.runs.cancel(run)
        assert hatchet.logs.list(run).rows == []
        assert hatchet.metrics.get_queue_metrics() == {}
        with pytest.raises(
            RequestRefused, match="a ClusterRole with the verbs get and list on nodes"
        ):
            hatchet.workers.list()
    finally:
        background_loop.shut_down()


def kubeconfig_of(namespace: Namespace, account: str, folder: Path) -> Path:
    """Return a kubeconfig of a service account."""
    path = folder / "kubeconfig"
    path.write_bytes(KUBECONFIG.read_bytes())
    token = namespace.kubectl("create", "token", account)
    config = ("--kubeconfig", str(path), "config")
    kubectl(*config, "set-credentials", account, f"--token={token}")
    kubectl(*config, "set-context", "--current", f"--user={account}")
    return path
