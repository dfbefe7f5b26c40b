"""The SDK's client against the real API server: its contract, and the objects it makes.

No run needs to end here, so it does not matter whether an operator is there.
"""

import importlib
import json
import sys
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from podhatch import Context, EmptyModel, Hatchet, InvalidRun, NotInstalled, RequestRefused
from podhatch.client import background_loop
from podhatch.client.explain import explained
from podhatch.cluster import ApiError, Cluster, Kind
from pydantic import BaseModel, Field

from tests.fakes.contract import ClusterContract
from tests.kube import KUBECONFIG, Namespace, kubectl


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    name = f"sdk-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield Namespace(name)
    kubectl("delete", "namespace", name, "--wait=false")


class TestCluster(ClusterContract):
    @pytest.fixture
    async def cluster(self, namespace: Namespace) -> AsyncIterator[Cluster]:
        cluster = await Cluster.connect(kubeconfig=str(KUBECONFIG))
        cluster.namespace = namespace.name
        yield cluster
        await cluster.close()

    async def test_kind_that_is_not_there_is_told_from_an_object(self, cluster: Cluster) -> None:
        unknown = Kind("podhatch.dev", "v1alpha1", "Unknown", "unknowns")
        with pytest.raises(NotInstalled), explained("Unknown", cluster.namespace, "orders"):
            await cluster.get(unknown, cluster.namespace, "orders")
        with pytest.raises(ApiError, match='"orders"'):
            await cluster.get(
                Kind("podhatch.dev", "v1alpha1", "Workflow", "workflows"),
                cluster.namespace,
                "orders",
            )


class Item(BaseModel):
    price: float | None = None
    tags: list[str] = Field(default_factory=list)


class Order(BaseModel):
    id: int
    items: list[Item] = Field(default_factory=list[Item], alias="orderItems")
    note: str | None = None


@dataclass
class Parcel:
    weight: float
    sizes: dict[str, int] = field(default_factory=dict[str, int])


@pytest.fixture
def hatchet(namespace: Namespace) -> Iterator[Hatchet]:
    yield Hatchet(namespace.name, kubeconfig=str(KUBECONFIG))
    background_loop.shut_down()


Work = Callable[[Any, Context], None]


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Work:
    """A task's function in a source tree of its own: this repository is too large to ship."""
    name = f"shipped_{uuid.uuid4().hex[:8]}"
    (tmp_path / f"{name}.py").write_text("def work(input, ctx):\n    return None\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return importlib.import_module(name).work


def test_a_run_creates_the_expected_objects(
    hatchet: Hatchet, namespace: Namespace, work: Work
) -> None:
    orders = hatchet.workflow("Orders: all", input_validator=Order)
    first = orders.task("first", desired_worker_labels={"disk": "ssd"})(work)
    orders.task("second", parents=[first], execution_timeout="1.5s", run_as_user=0)(work)
    order = Order(id=2**53, orderItems=[Item(), Item(price=1.0, tags=["a"])])
    reference = orders.run_no_wait(order, additional_metadata={"by": "Ada"})
    run = namespace.get("wfr", reference.workflow_run_id)
    assert run["spec"]["input"] == json.loads(order.model_dump_json())
    assert run["spec"]["additionalMetadata"] == {"by": "Ada"}
    workflow = namespace.get("wf", run["spec"]["workflow"])
    assert workflow["spec"]["name"] == "Orders: all"
    assert {"items", "orderItems"} <= workflow["spec"]["inputSchema"]["properties"].keys()
    source = namespace.get("configmap", workflow["spec"]["source"]["configMap"])
    assert source["immutable"] is True


def test_unchanged_workflow_keeps_its_generation(
    hatchet: Hatchet, namespace: Namespace, work: Work
) -> None:
    def generation(timeout: str) -> int:
        parcel = hatchet.task("parcel", input_validator=Parcel, execution_timeout=timeout)(work)
        reference = parcel.run_no_wait(Parcel(1.5))
        background_loop.shut_down()  # the next run is as of another process
        run = namespace.get("wfr", reference.workflow_run_id)
        stored = namespace.get("wf", "parcel")["metadata"]["generation"]
        assert run["metadata"]["annotations"]["podhatch.dev/workflow-generation"] == str(stored)
        return stored

    assert [generation(timeout) for timeout in ("1s", "1s", "2s")] == [1, 1, 2]


@pytest.mark.parametrize("image", [None, "shop:1"])
def test_yaml_is_what_kubectl_takes(
    hatchet: Hatchet, namespace: Namespace, work: Work, image: str | None
) -> None:
    orders = hatchet.workflow("orders", input_validator=Order, image=image)
    orders.task()(work)
    namespace.kubectl("apply", "--server-side", "-f", "-", stdin=orders.to_yaml())
    orders.run_no_wait(Order(id=1))
    assert namespace.get("wf", "orders")["metadata"]["generation"] == 1


def test_a_missing_namespace_is_named(work: Work) -> None:
    hatchet = Hatchet("no-such-namespace", kubeconfig=str(KUBECONFIG))
    with pytest.raises(RequestRefused, match="there is no such namespace"):
        hatchet.task()(work).run()
    background_loop.shut_down()


def test_input_that_fits_nothing_creates_nothing(
    hatchet: Hatchet, namespace: Namespace, work: Work
) -> None:
    task = hatchet.task(input_validator=Order)(work)
    with pytest.raises(InvalidRun):
        task.run({"id": "seven"})
    assert namespace.list("wf") == []


def test_empty_model_holds_what_it_is_given(
    hatchet: Hatchet, namespace: Namespace, work: Work
) -> None:
    given = {"a": None, "b": [1.5, {"c": ""}]}
    reference = hatchet.task()(work).run_no_wait(EmptyModel.model_validate(given))
    assert namespace.get("wfr", reference.workflow_run_id)["spec"]["input"] == given
