"""The chart's admission policies on a real API server, with real tokens of real pods."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from podhatch.api.labels import RUNNER_SERVICE_ACCOUNT
from podhatch.api.model import JsonObject
from podhatch.api.task import MAX_TASKS

from tests.cluster.progress import wait_until
from tests.helm import render
from tests.kubectl import Kubectl, Refused, apply_all

API = "podhatch.dev/v1alpha1"
JOB = "orders-1-ship-abcdef-1"
POD = f"{JOB}-x7k2p"
NAMESPACE = f"policies-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def kubectl() -> Kubectl:
    """The cluster with the chart's definitions, policies and the runner's role."""
    administrator = Kubectl()
    wanted = ("CustomResourceDefinition", "ValidatingAdmissionPolicy")
    chart = [
        manifest
        for manifest in render()
        if manifest["kind"].startswith(wanted)
        or manifest["metadata"]["name"] == RUNNER_SERVICE_ACCOUNT
    ]
    apply_all(administrator, chart)
    administrator("wait", "--for=condition=Established", "--timeout=30s", "--all", "crd")
    return administrator


@pytest.fixture(scope="module", autouse=True)
def namespace(kubectl: Kubectl) -> Iterator[str]:
    """A namespace in which the runner is set up as the operator does it."""
    name = NAMESPACE
    kubectl("create", "namespace", name)
    apply_all(kubectl, [service_account(name), role_binding(name, subject_namespace=name)])
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


class Pods:
    """Makes pods that never start, and takes their way into the cluster."""

    def __init__(self, kubectl: Kubectl, namespace: str, folder: Path) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        self._folder = folder

    def enter_as(self, pod: str) -> Kubectl:
        """Make a pod and return its way into the cluster."""
        apply_all(self._kubectl, [pod_that_never_starts(self._namespace, pod)])
        return self._with_token(pod, "--bound-object-kind", "Pod", "--bound-object-name", pod)

    def enter_without_pod(self) -> Kubectl:
        """Return the way of somebody who got a token of the account itself."""
        return self._with_token("loose")

    def _with_token(self, name: str, *flags: str) -> Kubectl:
        words = ("create", "token", RUNNER_SERVICE_ACCOUNT, "-n", self._namespace, *flags)
        return self._kubectl.with_token(self._kubectl(*words).strip(), self._folder / name)


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Pods:
    return Pods(kubectl, namespace, tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
def runner(pods: Pods, namespace: str) -> Kubectl:
    """The way of the pod POD into the cluster, once the policy is in force."""
    pod = pods.enter_as(POD)

    def is_in_force() -> bool:
        return "may not write" in refusal(pod, result(namespace, "another-job"))

    wait_until(is_in_force, 30, "the policy on TaskResults")
    return pod


def service_account(namespace: str) -> JsonObject:
    metadata = {"name": RUNNER_SERVICE_ACCOUNT, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def role_binding(namespace: str, *, subject_namespace: str) -> JsonObject:
    name = RUNNER_SERVICE_ACCOUNT
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{name}-of-{subject_namespace}", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": subject_namespace}],
    }


def pod_that_never_starts(namespace: str, name: str) -> JsonObject:
    """A token can be bound to a pod as soon as it exists."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceAccountName": RUNNER_SERVICE_ACCOUNT,
            "schedulingGates": [{"name": "podhatch.dev/test"}],
            "containers": [{"name": "task", "image": "python:3.13-slim"}],
        },
    }


def result(namespace: str, name: str) -> JsonObject:
    return {
        "apiVersion": API,
        "kind": "TaskResult",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"run": "orders-1", "task": "ship", "attempt": 1, "outcome": "Succeeded"},
    }


def workflow(*tasks: JsonObject) -> JsonObject:
    metadata = {"name": "orders", "namespace": NAMESPACE}
    body = {"tasks": list(tasks)}
    return {"apiVersion": API, "kind": "Workflow", "metadata": metadata, "spec": body}


def python(name: str, *parents: str) -> JsonObject:
    return {"name": name, "python": "m:f", "parents": list(parents)}


def refusal(kubectl: Kubectl, manifest: JsonObject) -> str:
    """The words in which the server refuses the object; empty when it takes it."""
    try:
        kubectl.try_create(manifest)
    except Refused as answer:
        return str(answer)
    return ""


def test_a_pod_writes_the_result_of_its_own_job(runner: Kubectl, namespace: str) -> None:
    assert runner.try_create(result(namespace, JOB))["metadata"]["name"] == JOB


@pytest.mark.parametrize(
    "name",
    [
        "another-job",
        JOB.removesuffix("-1"),  # the Job's name begins with it, and so does the pod's
        f"{JOB}-x7k2",
        POD,
        f"{JOB}x",
        JOB[:-1] + "2",
        "orders-1",
    ],
)
def test_a_pod_writes_no_other_result(runner: Kubectl, namespace: str, name: str) -> None:
    words = refusal(runner, result(namespace, name))
    assert f"pod {POD} may not write TaskResult {name}" in words
    assert "its own Job only" in words


def test_a_pod_of_job_a_b_does_not_write_for_job_a(
    pods: Pods, runner: Kubectl, namespace: str
) -> None:
    attacker = pods.enter_as("a-b-x7k2p")
    assert "may not write" in refusal(attacker, result(namespace, "a"))
    assert refusal(attacker, result(namespace, "a-b")) == ""


def test_a_token_that_is_no_pods_writes_nothing(
    pods: Pods, runner: Kubectl, namespace: str
) -> None:
    assert "is not bound to one" in refusal(pods.enter_without_pod(), result(namespace, JOB))


def test_a_pod_writes_in_its_own_namespace_only(
    kubectl: Kubectl, runner: Kubectl, namespace: str
) -> None:
    other = f"{namespace}-other"
    kubectl("create", "namespace", other)
    try:
        assert "is forbidden" in refusal(runner, result(other, JOB))
        # Even where somebody bound the role to the account of another namespace.
        apply_all(kubectl, [role_binding(other, subject_namespace=namespace)])
        wait_until(
            lambda: "the namespace of the task's own pod" in refusal(runner, result(other, JOB)),
            30,
            "the refusal by policy",
        )
    finally:
        kubectl("delete", "namespace", other, "--wait=false")


@pytest.mark.parametrize(
    "words",
    [
        ("list", "taskresults"),
        ("update", "taskresults"),
        ("delete", "taskresults"),
        ("update", "workflowruns"),
        ("patch", "workflowruns"),
        ("delete", "workflowruns"),
        ("create", "workflows"),
        ("create", "cronworkflows"),
        ("get", "workflowevents"),
        ("get", "secrets"),
        ("get", "configmaps"),
        ("list", "pods"),
    ],
    ids=" ".join,
)
def test_a_pod_may_do_nothing_else(runner: Kubectl, namespace: str, words: tuple[str, str]) -> None:
    with pytest.raises(Refused):
        runner("auth", "can-i", *words, "-n", namespace)
    assert runner("auth", "can-i", "create", "taskresults", "-n", namespace).strip() == "yes"


def child(namespace: str, **parent: JsonObject | str | int) -> JsonObject:
    """A run as a task of the pod POD asks for it, unless another parent is named."""
    return {
        "apiVersion": API,
        "kind": "WorkflowRun",
        "metadata": {"name": "fan-out-child", "namespace": namespace},
        "spec": {
            "workflow": "fan-out",
            "parent": {"run": "orders-1", "task": "ship", "job": JOB, "index": 0, **parent},
        },
    }


@pytest.fixture(scope="module")
def spawner(runner: Kubectl, namespace: str) -> Kubectl:
    """The way of the pod POD into the cluster, once the policy on child runs is in force."""
    other = child(namespace, job="another-job-1")
    wait_until(lambda: "may not start" in refusal(runner, other), 30, "the policy on child runs")
    return runner


def test_a_pod_starts_children_of_its_own_attempt(spawner: Kubectl, namespace: str) -> None:
    assert refusal(spawner, child(namespace)) == ""


@pytest.mark.parametrize("job", [JOB.removesuffix("-1"), POD, f"{JOB}x", JOB[:-1] + "2"])
def test_a_pod_starts_no_children_of_another(spawner: Kubectl, namespace: str, job: str) -> None:
    words = refusal(spawner, child(namespace, job=job))
    assert f"pod {POD} may not start WorkflowRun fan-out-child" in words


def test_a_pod_starts_no_run_without_a_parent(spawner: Kubectl, namespace: str) -> None:
    orphan = child(namespace)
    del orphan["spec"]["parent"]
    assert "spec.parent.job must name the Job" in refusal(spawner, orphan)


def test_a_pod_does_not_say_that_an_event_started_a_run(spawner: Kubectl, namespace: str) -> None:
    pretender = child(namespace)
    pretender["spec"]["trigger"] = {"event": {"id": "paid-1", "key": "paid"}}
    assert "a child run was not started by an event" in refusal(spawner, pretender)


def test_a_token_that_is_no_pods_starts_nothing(
    pods: Pods, spawner: Kubectl, namespace: str
) -> None:
    assert "is not bound to one" in refusal(pods.enter_without_pod(), child(namespace))


def test_others_are_left_to_their_roles(kubectl: Kubectl, runner: Kubectl, namespace: str) -> None:
    assert refusal(kubectl, result(namespace, "any-name")) == ""
    assert refusal(kubectl, child(namespace, job="any-name")) == ""


@pytest.fixture(scope="module")
def checked(kubectl: Kubectl) -> Kubectl:
    """The cluster once the policy on parents is in force."""
    bad = workflow(python("a", "nobody"))
    wait_until(lambda: refusal(kubectl, bad) != "", 30, "the policy on parents")
    return kubectl


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([python("a", "nobody")], "task a names the parent nobody"),
        ([python("a"), python("b", "a", "A")], "task b names the parent A"),
        ([python("a"), {"name": "b", "container": {"image": "i"}, "parents": ["c"]}], "parent c"),
    ],
)
def test_an_unknown_parent_is_refused_by_name(
    checked: Kubectl, tasks: list[JsonObject], words: str
) -> None:
    message = refusal(checked, workflow(*tasks))
    assert words in message
    assert "is not a task of this workflow" in message


@pytest.mark.parametrize(
    "tasks",
    [
        [{"name": "a", "python": "m:f"}],
        [python("a")],
        [python("b", "a"), python("a")],
        [python("c", "a", "b"), python("b", "a"), python("a")],
    ],
)
def test_known_parents_are_fine_in_any_order(checked: Kubectl, tasks: list[JsonObject]) -> None:
    assert refusal(checked, workflow(*tasks)) == ""


@pytest.mark.parametrize("size", [2, 600, 640, MAX_TASKS])
def test_a_policy_never_costs_too_much_to_be_asked(checked: Kubectl, size: int) -> None:
    chain = [python(f"task-{n}", *([f"task-{n - 1}"] if n else [])) for n in range(size)]
    assert refusal(checked, workflow(*chain)) == ""
    join = [*(python(f"task-{n}") for n in range(size - 1))]
    join.append(python("join", *(task["name"] for task in join)))
    assert refusal(checked, workflow(*join)) == ""
