"""What one operator does, with the chart's own at rest so that nobody else does it.

It has the chart's roles and no others: a request they do not allow is seen as a 403.
"""

import asyncio
import signal
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONTROLLER_REVISION,
    JOB,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Cluster,
    Kind,
)
from podhatch_operator.__main__ import Operator
from podhatch_operator.controllers.run import RunController

from tests.helm import RELEASE, render
from tests.integration.operator import process, run, running, succeeded, workflow
from tests.kube import OPERATOR_NAMESPACE, KubectlError, kubectl
from tests.kubectl import Kubectl, apply_all


@pytest.fixture(scope="module", autouse=True)
def at_rest() -> Iterator[None]:
    """The chart's operator is stopped meanwhile, where there is one."""
    deployment = ("-n", OPERATOR_NAMESPACE, f"deployment/{RELEASE}")
    pods = ("-n", OPERATOR_NAMESPACE, "pod", "-l", "app.kubernetes.io/component=operator")
    try:
        count = kubectl("get", *deployment, "-o", "jsonpath={.spec.replicas}")
    except KubectlError:
        yield
        return
    kubectl("scale", *deployment, "--replicas=0")
    kubectl("wait", *pods, "--for=delete", "--timeout=60s")
    yield
    kubectl("scale", *deployment, f"--replicas={count}")
    kubectl("rollout", "status", *deployment, "--timeout=120s")


@pytest.fixture
async def limited(cluster: Cluster, tmp_path: Path) -> AsyncGenerator[Cluster]:
    """The test's cluster for an operator with the chart's roles alone."""
    namespace = cluster.namespace
    chosen = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole")
    flags = (f"watchNamespaces={{{namespace}}}", f"fullnameOverride={namespace}")
    manifests = render("--set", ",".join(flags), namespace=namespace)
    wanted = [manifest for manifest in manifests if manifest["kind"] in chosen]
    administrator = Kubectl()
    await asyncio.to_thread(apply_all, administrator, wanted)
    token = administrator("-n", namespace, "create", "token", namespace).strip()
    administrator.with_token(token, tmp_path / "kubeconfig")
    connected = await Cluster.connect(kubeconfig=str(tmp_path / "kubeconfig"))
    connected.namespace = namespace
    yield connected
    await connected.close()
    own = [m for m in wanted if m["kind"] == "ClusterRole" and namespace in m["metadata"]["name"]]
    administrator("delete", "-f", "-", manifests=own)


def refused_requests(operator: Operator) -> float:
    """How many requests the API server forbade, or did not understand."""
    return sum(
        sample.value
        for family in operator.metrics.registry.collect()
        for sample in family.samples
        if sample.name == "podhatch_k8s_request_total"
        and sample.labels["code"] in ("400", "401", "403", "405", "422")
    )


async def gone(cluster: Cluster, kind: Kind, seconds: float = 30) -> None:
    """Wait until the namespace holds no object of a kind."""
    async with asyncio.timeout(seconds):
        while (await cluster.list(kind, cluster.namespace))[0]:  # noqa: ASYNC110
            await asyncio.sleep(0.2)


async def test_ended_runs_are_deleted_in_time(
    cluster: Cluster, limited: Cluster, unused_tcp_port: int
) -> None:
    ttl = {"PODHATCH_RUN_TTL_SECONDS": "6", "PODHATCH_JOB_TTL_SECONDS": "2"}
    lease = {"PODHATCH_LEASE": cluster.namespace}
    async with running(limited, unused_tcp_port, **ttl, **lease) as operator:
        await cluster.create(workflow(cluster.namespace))
        await cluster.create(
            {
                "apiVersion": labels.API_VERSION,
                "kind": "WorkflowEvent",
                "metadata": {"name": "short", "namespace": cluster.namespace},
                "spec": {"key": "paid", "ttlSeconds": 1},
            }
        )
        created = await cluster.create(run(cluster.namespace))
        await succeeded(cluster, created)
        await gone(cluster, WORKFLOW_EVENT)
        await gone(cluster, JOB)
        assert await cluster.get(WORKFLOW_RUN, cluster.namespace, "run")
        await gone(cluster, WORKFLOW_RUN)
        await gone(cluster, TASK_RESULT)
        assert len((await cluster.list(CONTROLLER_REVISION, cluster.namespace))[0]) == 1
        await cluster.delete(WORKFLOW, cluster.namespace, "pair")
        await gone(cluster, CONTROLLER_REVISION)
        assert refused_requests(operator) == 0


async def test_a_replay_fetches_children_that_the_cache_dropped(
    cluster: Cluster, limited: Cluster, unused_tcp_port: int
) -> None:
    lease = {"PODHATCH_LEASE": cluster.namespace}
    async with running(limited, unused_tcp_port, **lease) as operator:
        await cluster.create(workflow(cluster.namespace))
        await succeeded(cluster, await cluster.create(run(cluster.namespace)))
        again = await cluster.merge_patch(
            WORKFLOW_RUN, cluster.namespace, "run", {"spec": {"replay": {"count": 1}}}
        )
        await replayed(cluster, again)
        jobs, _ = await cluster.list(JOB, cluster.namespace)
        attempts = [job["metadata"]["labels"][labels.ATTEMPT] for job in jobs]
        assert attempts.count("2") == 2
        observed = RunController.observe(operator.cache, cluster.namespace, "run")
        assert observed is not None
        assert set(observed.jobs) == {job["metadata"]["name"] for job in jobs}
        assert refused_requests(operator) == 0


async def replayed(cluster: Cluster, run: JsonObject) -> None:
    """Wait until a replay was carried out and has succeeded."""
    async with asyncio.timeout(60):
        while True:
            stored = await cluster.get(WORKFLOW_RUN, cluster.namespace, run["metadata"]["name"])
            status = stored["status"]
            if status.get("replays") == 1 and status["phase"] == "Succeeded":
                return
            await asyncio.sleep(0.2)


@pytest.mark.parametrize(
    "fault",
    [
        "before create ControllerRevision:1",
        "create ControllerRevision:1",
        "before create Job:1",
        "create Job:1",
        "before create Job:2",
        "create Job:2",
        "before status:1",
        "status:1",
        "before status:2",
        "status:2",
        "before event:1",
        "event:1",
    ],
)
async def test_a_kill_between_two_writes_neither_loses_nor_doubles_attempts(
    cluster: Cluster, unused_tcp_port: int, tmp_path: Path, fault: str
) -> None:
    namespace = cluster.namespace
    await cluster.create(workflow(namespace))
    created = await cluster.create(run(namespace))
    assert await ended(cluster, unused_tcp_port, tmp_path, fault) == -signal.SIGKILL
    async with running(cluster, unused_tcp_port, PODHATCH_IDENTITY="process"):
        await succeeded(cluster, created)
    jobs, _ = await cluster.list(JOB, namespace)
    attempts = [job["metadata"]["labels"][labels.ATTEMPT] for job in jobs]
    assert attempts == ["1", "1"]


@pytest.mark.parametrize(
    "fault", [f"{moment} create WorkflowRun:{n}" for moment in ("before", "after") for n in (1, 2)]
)
async def test_a_kill_between_the_runs_of_an_event_neither_loses_nor_doubles_runs(
    cluster: Cluster, unused_tcp_port: int, tmp_path: Path, fault: str
) -> None:
    namespace = cluster.namespace
    filters = [{"expression": "true", "scope": "eu", "payload": {"n": n}} for n in (1, 2)]
    await cluster.create(workflow(namespace, onEvents=["paid"], defaultFilters=filters))
    await cluster.create(
        {
            "apiVersion": labels.API_VERSION,
            "kind": "WorkflowEvent",
            "metadata": {"name": "paid-1", "namespace": namespace},
            "spec": {"key": "paid", "scope": "eu"},
        }
    )
    assert await ended(cluster, unused_tcp_port, tmp_path, fault) == -signal.SIGKILL
    async with running(cluster, unused_tcp_port, PODHATCH_IDENTITY="process"):
        async with asyncio.timeout(30):
            while not await _is_handled(cluster):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
    runs, _ = await cluster.list(WORKFLOW_RUN, namespace)
    payloads = [each["spec"]["trigger"]["event"]["filterPayload"]["n"] for each in runs]
    assert sorted(payloads) == [1, 2]


async def _is_handled(cluster: Cluster) -> bool:
    event = await cluster.get(WORKFLOW_EVENT, cluster.namespace, "paid-1")
    return "handledAt" in event.get("status", {})


async def test_an_interrupted_deletion_is_finished(
    cluster: Cluster, unused_tcp_port: int, tmp_path: Path
) -> None:
    namespace, ttl = cluster.namespace, {"PODHATCH_JOB_TTL_SECONDS": "0"}
    await cluster.create(workflow(namespace))
    await cluster.create(run(namespace))
    assert await ended(cluster, unused_tcp_port, tmp_path, "delete:1", **ttl) == -signal.SIGKILL
    async with running(cluster, unused_tcp_port, PODHATCH_IDENTITY="process", **ttl):
        await gone(cluster, JOB)


async def ended(
    cluster: Cluster, port: int, folder: Path, fault: str, **variables: str
) -> int | None:
    """Run an operator with a fault point in a process of its own, and return how it ended."""
    async with process(
        cluster, port, folder, stderr=None, PODHATCH_FAULT=fault, **variables
    ) as operator:
        async with asyncio.timeout(60):
            return await operator.wait()
