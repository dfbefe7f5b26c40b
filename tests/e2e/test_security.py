"""Where pods of tasks may run, and what the operator's ports tell."""

import pytest

from tests.kube import (
    OPERATOR_NAMESPACE,
    KubectlError,
    Namespace,
    kubectl,
    operator_pod,
    shell,
    tasks,
    workflow_manifest,
)


def test_the_port_of_the_probes_serves_no_metrics() -> None:
    pod = f"/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{operator_pod()}"
    assert kubectl("get", "--raw", f"{pod}:8080/proxy/readyz") == "ok"
    assert "podhatch_workqueue_depth" in kubectl("get", "--raw", f"{pod}:8081/proxy/metrics")
    for nothing in ("8080/proxy/metrics", "8081/proxy/healthz"):
        with pytest.raises(KubectlError):
            kubectl("get", "--raw", f"{pod}:{nothing}")


def test_tasks_run_in_a_namespace_that_is_restricted(namespace: Namespace) -> None:
    level = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", namespace.name, level)
    namespace.apply(
        workflow_manifest(
            "strict",
            shell("who", "id -u > $PODHATCH_OUTPUT"),
            {"name": "python", "python": "os:getuid", "parents": ["who"]},
        )
    )
    namespace.run("strict-1", "strict")
    run = namespace.wait("strict-1", "Succeeded")
    assert {entry["output"] for entry in tasks(run).values()} == {"65532"}


def test_root_is_a_choice_that_a_restricted_namespace_refuses(namespace: Namespace) -> None:
    root = shell("who", "id -u > $PODHATCH_OUTPUT", runAsUser=0, scheduleTimeoutSeconds=8)
    namespace.apply(workflow_manifest("root", root))
    namespace.run("root-1", "root")
    assert tasks(namespace.wait("root-1", "Succeeded"))["who"]["output"] == "0"
    level = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", namespace.name, level)
    namespace.run("root-2", "root")
    run = namespace.wait("root-2", "Cancelled")
    assert 'violates PodSecurity "restricted' in run["status"]["message"]
