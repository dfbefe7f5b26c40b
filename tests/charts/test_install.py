"""What a real API server says to the rendered chart, and what its roles let the operator do."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from podhatch.api.labels import REPORT_ACCOUNT, SPAWN_ACCOUNT
from podhatch.api.model import JsonObject

from tests.cluster.podhatch import NAMESPACE
from tests.helm import CHART, RELEASE, helm, render
from tests.kubectl import Kubectl, Refused, apply_all

VALUES_FILES = sorted((CHART / "ci").glob("*-values.yaml"))


@pytest.fixture(scope="module")
def kubectl() -> Kubectl:
    """The cluster with the chart's definitions in it."""
    administrator = Kubectl()
    definitions = [m for m in render() if m["kind"] == "CustomResourceDefinition"]
    apply_all(administrator, definitions)
    administrator("wait", "--for=condition=Established", "--timeout=30s", "--all", "crd")
    return administrator


@pytest.fixture
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace that takes only pods of the strictest security level."""
    name = f"chart-{uuid4().hex[:8]}"
    level = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": name, "labels": level}
    apply_all(kubectl, [{"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}])
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


def pod_of(manifest: JsonObject, namespace: str) -> JsonObject:
    """The pod of a manifest, under an account that exists before anything is installed."""
    spec = manifest["spec"].get("template", manifest)["spec"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": manifest["metadata"]["name"], "namespace": namespace},
        "spec": {**spec, "serviceAccountName": "default"},
    }


@pytest.mark.parametrize("values", VALUES_FILES, ids=lambda path: path.stem)
def test_the_api_server_takes_all_the_chart_renders(
    kubectl: Kubectl, namespace: str, values: Path
) -> None:
    manifests = render(values=[values], namespace=namespace)
    whole = [manifest for manifest in manifests if manifest["kind"] != "Pod"]
    answer = apply_all(kubectl, whole, "--dry-run=server", "--validate=strict")
    assert len(answer.splitlines()) == len(whole)


@pytest.mark.parametrize("values", VALUES_FILES, ids=lambda path: path.stem)
def test_its_pods_keep_to_the_strictest_security_level(
    kubectl: Kubectl, namespace: str, values: Path
) -> None:
    pods = [
        pod_of(manifest, namespace)
        for manifest in render(values=[values], namespace=namespace)
        if manifest["kind"] in ("Pod", "Deployment")
    ]
    assert len(pods) == 2
    for pod in pods:
        assert kubectl.try_create(pod)
    pods[0]["spec"]["securityContext"] = {}
    with pytest.raises(Refused, match="violates PodSecurity"):
        kubectl.try_create(pods[0])


@pytest.fixture
def operator(kubectl: Kubectl, namespace: str) -> Iterator[Kubectl]:
    """The way of an operator that serves one namespace, with the chart's roles and no others."""
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole")
    manifests = render(
        *("--set", f"watchNamespaces={{{namespace}}}", "--set", f"fullnameOverride={namespace}"),
        namespace=namespace,
    )
    wanted = [m for m in manifests if m["kind"] in kinds]
    apply_all(kubectl, wanted)
    yield kubectl.impersonating(f"system:serviceaccount:{namespace}:{namespace}")
    own = [m for m in wanted if m["metadata"]["name"].startswith(namespace)]
    kubectl("delete", "--ignore-not-found", "-f", "-", manifests=own)


def role_binding(namespace: str, role: str) -> JsonObject:
    group = "rbac.authorization.k8s.io"
    account = {"kind": "ServiceAccount", "name": REPORT_ACCOUNT, "namespace": namespace}
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "made-by-operator", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [account],
    }


def test_the_operator_gives_task_pods_their_roles_and_no_other(
    operator: Kubectl, namespace: str
) -> None:
    for role in (REPORT_ACCOUNT, SPAWN_ACCOUNT):
        assert operator.try_create(role_binding(namespace, role))
    for more in ("view", "edit", "cluster-admin"):
        with pytest.raises(Refused, match="attempting to grant RBAC permissions"):
            operator.try_create(role_binding(namespace, more))
    with pytest.raises(Refused, match="is forbidden"):
        operator.try_create(role_binding("default", REPORT_ACCOUNT))


@pytest.mark.parametrize(
    ("verb", "resource", "allowed"),
    [
        ("create", "jobs.batch", True),
        ("watch", "pods", True),
        ("update", "workflowruns.podhatch.dev --subresource=status", True),
        ("delete", "workflowruns.podhatch.dev", True),
        ("delete", "workflowevents.podhatch.dev", True),
        ("delete", "controllerrevisions.apps", True),
        ("patch", "jobs.batch", True),
        ("update", "workflowruns.podhatch.dev", False),
        ("delete", "workflows.podhatch.dev", False),
        ("create", "taskresults.podhatch.dev", False),
        ("create", "pods", False),
        ("create", "pods --subresource=exec", False),
        ("get", "secrets", False),
        ("list", "configmaps", False),
        ("create", "roles.rbac.authorization.k8s.io", False),
    ],
)
def test_the_operator_may_do_what_its_roles_allow(
    operator: Kubectl, namespace: str, verb: str, resource: str, allowed: bool
) -> None:
    assert may(operator, verb, resource, namespace) == allowed
    assert not may(operator, verb, resource, "default")


def test_the_operator_may_write_its_own_lease_and_no_other(
    operator: Kubectl, namespace: str
) -> None:
    for lease, allowed in ((namespace, True), ("another", False)):
        assert may(operator, "patch", f"leases.coordination.k8s.io/{lease}", namespace) == allowed
    assert not may(operator, "patch", f"leases.coordination.k8s.io/{namespace}", "default")


def may(who: Kubectl, verb: str, resource: str, namespace: str) -> bool:
    try:
        return who("auth", "can-i", verb, *resource.split(), "-n", namespace).strip() == "yes"
    except Refused:  # kubectl's answer to no is also an exit code
        return False


def test_the_notes_name_the_next_commands() -> None:
    flags = ("--namespace", "some-place", "--dry-run=client", "--take-ownership")
    notes = helm("install", RELEASE, CHART, *flags).partition("NOTES:")[2]
    assert "helm test podhatch --namespace some-place" in notes
    assert "kubectl explain workflow" in notes
    assert "kubectl get workflowruns" in notes


def test_helm_test_runs_a_workflow() -> None:
    answer = helm("test", RELEASE, "--namespace", NAMESPACE, "--timeout", "3m", "--logs")
    assert "Phase:          Succeeded" in answer
    assert f"WorkflowRun {NAMESPACE}/{RELEASE}-test is Succeeded" in answer
