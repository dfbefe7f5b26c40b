"""The chart's opt-in policies on pods of workflows, on a real API server."""

from collections.abc import Iterator
from uuid import uuid4

import pytest
from podhatch.api.model import JsonObject

from tests.cluster.progress import wait_until
from tests.helm import RELEASE, render
from tests.kubectl import Kubectl, Refused, apply_all

OPERATOR = f"system:serviceaccount:podhatch-system:{RELEASE}"
POLICIES = ("podhatch-workflow-pods", "podhatch-job-pods")


def policies(namespace: str) -> list[JsonObject]:
    """The policies for one namespace, under names of their own: other tests go on beside."""
    values = "workflowPolicy.enabled=true,workflowPolicy.serviceAccounts={reader}"
    found: list[JsonObject] = []
    for manifest in render("--set", values):
        if manifest["metadata"]["name"] in POLICIES:
            name = f"{manifest['metadata']['name']}-{namespace}"
            manifest["metadata"]["name"] = name
            if "policyName" in manifest["spec"]:
                manifest["spec"]["policyName"] = name
            else:
                label = {"kubernetes.io/metadata.name": namespace}
                manifest["spec"]["matchConstraints"]["namespaceSelector"] = {"matchLabels": label}
            found.append(manifest)
    return found


@pytest.fixture(scope="module")
def namespace() -> Iterator[str]:
    """A namespace in which the policies are in force."""
    name = f"restricted-{uuid4().hex[:8]}"
    kubectl = Kubectl()
    kubectl("create", "namespace", name)
    made = policies(name)
    apply_all(kubectl, made)
    probe = workflow(name, pod={"podTemplate": {"spec": {"hostNetwork": True}}})
    wait_until(lambda: refusal(kubectl, probe) != "", 30, "the policy on workflows")
    as_operator = kubectl.impersonating(OPERATOR)
    wait_until(
        lambda: refusal(as_operator, job(name, {"hostNetwork": True})) != "", 30, "the one on Jobs"
    )
    yield name
    for manifest in made:
        kubectl("delete", manifest["kind"].lower(), manifest["metadata"]["name"], "--wait=false")
    kubectl("delete", "namespace", name, "--wait=false")


def workflow(namespace: str, **spec: JsonObject) -> JsonObject:
    task = {"name": "t", "container": {"image": "python:3.13-slim"}}
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "Workflow",
        "metadata": {"name": "w", "namespace": namespace},
        "spec": {"tasks": [task], **spec},
    }


def job(namespace: str, spec: JsonObject) -> JsonObject:
    """A Job as the operator makes it, with something more in its pod."""
    container = {"name": "task", "image": "python:3.13-slim"}
    pod = {
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "containers": [container],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "w-1-t-1", "namespace": namespace},
        "spec": {"template": {"spec": {**pod, **spec}}},
    }


def refusal(kubectl: Kubectl, manifest: JsonObject) -> str:
    """The words in which the server refuses the object; empty when it would take it."""
    try:
        kubectl.try_create(manifest)
    except Refused as answer:
        return str(answer)
    return ""


PRIVILEGED: JsonObject = {"securityContext": {"privileged": True}}
TOKEN: JsonObject = {"sources": [{"serviceAccountToken": {"path": "token"}}]}
FORBIDDEN: list[tuple[JsonObject, str]] = [
    ({"hostNetwork": True}, "may not set hostNetwork"),
    ({"hostPID": True}, "may not set hostNetwork"),
    ({"hostIPC": True}, "may not set hostNetwork"),
    ({"containers": [{"name": "task", "image": "i", **PRIVILEGED}]}, "may not be privileged"),
    (
        {
            "containers": [{"name": "task", "image": "i"}],
            "initContainers": [{"name": "a", "image": "i", **PRIVILEGED}],
        },
        "may not be privileged",
    ),
    (
        {
            "containers": [
                {
                    "name": "task",
                    "image": "i",
                    "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}},
                }
            ]
        },
        "may not be privileged or add capabilities",
    ),
    ({"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}, "only have volumes of these kinds"),
    ({"volumes": [{"name": "v", "nfs": {"server": "s", "path": "/"}}]}, "volumes of these kinds"),
    (
        {"volumes": [{"name": "v", "projected": TOKEN}]},
        "cannot have a projected service account token",
    ),
    (
        {"serviceAccountName": "deployer", "automountServiceAccountToken": True},
        "may not run as ServiceAccount deployer",
    ),
    ({"automountServiceAccountToken": True}, "may not run as ServiceAccount default"),
]
ALLOWED: list[JsonObject] = [
    {},
    {"hostNetwork": False},
    {"serviceAccountName": "reader", "automountServiceAccountToken": True},
    {"volumes": [{"name": "v", "emptyDir": {}}, {"name": "c", "configMap": {"name": "c"}}]},
    {
        "containers": [
            {"name": "task", "image": "i", "securityContext": {"capabilities": {"drop": ["ALL"]}}}
        ]
    },
]


@pytest.mark.parametrize(("spec", "words"), FORBIDDEN, ids=lambda each: str(each)[:40])
def test_a_restricted_pod_is_refused_to_its_author_and_to_the_operator(
    namespace: str, spec: JsonObject, words: str
) -> None:
    kubectl = Kubectl()
    template: JsonObject = {"podTemplate": {"spec": spec}}
    assert words in refusal(kubectl, workflow(namespace, pod=template))
    of_task = workflow(namespace)
    of_task["spec"]["tasks"][0]["pod"] = template
    assert words in refusal(kubectl, of_task)
    hook = {"name": "h", "container": {"image": "i"}, "pod": template}
    assert words in refusal(kubectl, workflow(namespace, onFailureTask=hook))
    assert words in refusal(kubectl.impersonating(OPERATOR), job(namespace, spec))


@pytest.mark.parametrize("spec", ALLOWED, ids=lambda each: str(each)[:40])
def test_an_ordinary_pod_is_allowed(namespace: str, spec: JsonObject) -> None:
    kubectl = Kubectl()
    assert refusal(kubectl, workflow(namespace, pod={"podTemplate": {"spec": spec}})) == ""
    assert refusal(kubectl.impersonating(OPERATOR), job(namespace, spec)) == ""


def test_fields_of_pod_are_restricted_as_a_pod_template_is(namespace: str) -> None:
    kubectl = Kubectl()
    host_path = {"volumes": [{"name": "v", "hostPath": {"path": "/"}}]}
    assert "volumes of these kinds" in refusal(kubectl, workflow(namespace, pod=host_path))
    account = {"serviceAccountName": "deployer"}
    assert "ServiceAccount deployer" in refusal(kubectl, workflow(namespace, pod=account))


def test_jobs_of_others_are_not_restricted(namespace: str) -> None:
    assert refusal(Kubectl(), job(namespace, {"hostNetwork": True})) == ""


def test_a_workflow_of_many_tasks_is_judged(namespace: str) -> None:
    many = workflow(namespace)
    pod: JsonObject = {"podTemplate": {"spec": {"volumes": [{"name": "v", "emptyDir": {}}]}}}
    many["spec"]["tasks"] = [
        {"name": f"t{n}", "container": {"image": "i"}, "pod": pod} for n in range(1000)
    ]
    assert refusal(Kubectl(), many) == ""
    pod["podTemplate"]["spec"]["hostPID"] = True
    assert "hostPID" in refusal(Kubectl(), many)


@pytest.mark.parametrize("kind", ["Workflow", "WorkflowRun", "CronWorkflow"])
def test_nothing_runs_beside_the_clusters_own_pods(kind: str) -> None:
    spec: JsonObject = {
        "Workflow": {"tasks": [{"name": "t", "container": {"image": "i"}}]},
        "WorkflowRun": {"workflow": "w"},
        "CronWorkflow": {"workflow": "w", "schedule": "0 0 * * *"},
    }[kind]
    manifest: JsonObject = {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": "w", "namespace": "kube-system"},
        "spec": spec,
    }
    assert "namespace kube-system is closed to workflows" in refusal(Kubectl(), manifest)
