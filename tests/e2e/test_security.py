"""What a task's pod may not do, and where it may run."""

import json

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

PROBE = """
import json, os, ssl, urllib.request, urllib.error
account = "/var/run/secrets/kubernetes.io/serviceaccount"
token = open(account + "/token").read()
context = ssl.create_default_context(cafile=account + "/ca.crt")
namespace = os.environ["PODHATCH_NAMESPACE"]
api = "/apis/podhatch.dev/v1alpha1/namespaces/" + namespace
elsewhere = "/apis/podhatch.dev/v1alpha1/namespaces/default"
run = json.dumps({"apiVersion": "podhatch.dev/v1alpha1", "kind": "WorkflowRun",
    "metadata": {"name": "nobodys-child"}, "spec": {"workflow": "probe"}}).encode()
body = json.dumps({"apiVersion": "podhatch.dev/v1alpha1", "kind": "TaskResult",
    "metadata": {"name": "somebody-elses-1"},
    "spec": {"run": "r", "task": "t", "attempt": 1, "outcome": "Succeeded"}}).encode()
asked = {
    "secrets": ("GET", "/api/v1/namespaces/" + namespace + "/secrets", None),
    "pods": ("GET", "/api/v1/namespaces/" + namespace + "/pods", None),
    "runs": ("GET", api + "/workflowruns", None),
    "runs elsewhere": ("GET", elsewhere + "/workflowruns", None),
    "delete runs": ("DELETE", api + "/workflowruns/probe-1", None),
    "results": ("GET", api + "/taskresults", None),
    "a result elsewhere": ("POST", elsewhere + "/taskresults", body),
    "forged result": ("POST", api + "/taskresults", body),
    "forged run": ("POST", api + "/workflowruns", run),
}
answers = {}
for name, (method, path, data) in asked.items():
    url = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + ":443" + path
    headers = {"Authorization": "Bearer " + token, "Content-Type": "application/json"}
    try:
        request = urllib.request.Request(url, data, headers, method=method)
        answers[name] = urllib.request.urlopen(request, context=context).status
    except urllib.error.HTTPError as error:
        answers[name] = error.code
"""


def test_a_tasks_pod_reads_runs_and_writes_only_what_is_its_own(
    namespace: Namespace,
) -> None:
    source = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "probe-source"},
        "binaryData": {"source.zip": _zip({"probe.py": _as_function(PROBE)})},
    }
    flow = workflow_manifest(
        "probe",
        {"name": "ask", "python": "probe:ask"},
        source={"configMap": "probe-source"},
    )
    namespace.apply(source, flow)
    namespace.run("probe-1", "probe")
    answers = json.loads(tasks(namespace.wait("probe-1", "Succeeded"))["ask"]["output"])
    # It waits for its child runs itself, which takes a list of runs and a watch.
    assert answers.pop("runs") == 200
    assert set(answers.values()) == {403}, answers


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
    assert "admission policy" in run["status"]["message"]


def _as_function(body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.strip().splitlines())
    return f"def ask():\n{lines}    return answers\n"


def _zip(files: dict[str, str]) -> str:
    import base64
    import io
    import zipfile

    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return base64.b64encode(buffer.getvalue()).decode()
