"""A namespace under the chart's policies, and ways into it with real tokens of real pods."""

from collections.abc import Iterator

import pytest
from podhatch.api.labels import REPORT_ACCOUNT, SPAWN_ACCOUNT
from podhatch.api.model import JsonObject

from tests.cluster.progress import wait_until
from tests.helm import render
from tests.integration.policies.objects import (
    NAMESPACE,
    POD,
    Pods,
    child,
    event,
    owner,
    refusal,
    result,
    role_binding,
    service_account,
)
from tests.kubectl import Kubectl, apply_all


@pytest.fixture(scope="package")
def kubectl() -> Kubectl:
    """The cluster with the chart's definitions, policies and the roles of task pods."""
    administrator = Kubectl()
    wanted = ("CustomResourceDefinition", "ValidatingAdmissionPolicy")
    chart = [
        manifest
        for manifest in render()
        if manifest["kind"].startswith(wanted)
        or manifest["metadata"]["name"] in (REPORT_ACCOUNT, SPAWN_ACCOUNT)
    ]
    apply_all(administrator, chart)
    administrator("wait", "--for=condition=Established", "--timeout=30s", "--all", "crd")
    return administrator


@pytest.fixture(scope="package", autouse=True)
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace in which the accounts are set up as the operator does it."""
    name = NAMESPACE
    kubectl("create", "namespace", name)
    for account in (REPORT_ACCOUNT, SPAWN_ACCOUNT, "bridge"):
        apply_all(kubectl, [service_account(name, account)])
    for account in (REPORT_ACCOUNT, SPAWN_ACCOUNT):
        apply_all(kubectl, [role_binding(name, account, subject_namespace=name)])
    kubectl(
        "create",
        "rolebinding",
        "bridge",
        "--clusterrole=cluster-admin",
        "-n",
        name,
        f"--serviceaccount={name}:bridge",
    )
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.fixture(scope="package")
def pods(kubectl: Kubectl, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Pods:
    return Pods(kubectl, namespace, tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="package")
def runner(pods: Pods, namespace: str) -> Kubectl:
    """The way of the pod POD into the cluster, once the policies are in force."""
    pod = pods.enter_as(POD)

    def are_in_force() -> bool:
        return (
            "may not write" in refusal(pod, result(namespace, "another-job"))
            and "may not start" in refusal(pod, child(namespace, job="another-job-1"))
            and "pushedBy" in refusal(pod, event(namespace))
        )

    wait_until(are_in_force, 30, "the policies on what tasks write")
    return pod


@pytest.fixture(scope="package")
def reporter(pods: Pods, runner: Kubectl) -> Kubectl:
    """The way of a pod that only reports."""
    return pods.enter_as("other-1-pack-bcdfghjklmnp-1-x7k2p", REPORT_ACCOUNT)


@pytest.fixture(scope="package")
def owners(kubectl: Kubectl, namespace: str) -> list[JsonObject]:
    """A run that is there: the garbage collector deletes what belongs to nothing."""
    run = child(namespace, "orders-1")
    del run["spec"]["parent"], run["metadata"]["ownerReferences"]
    kubectl("create", "-f", "-", manifests=[run])
    return [owner(uid=kubectl.json("get", "wfr/orders-1", "-n", namespace)["metadata"]["uid"])]
