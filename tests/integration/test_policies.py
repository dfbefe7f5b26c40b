"""The chart's admission policies on a real API server, with real tokens of real pods."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from podhatch.api.labels import REPORT_ACCOUNT, SPAWN_ACCOUNT
from podhatch.api.model import JsonObject
from podhatch.api.task import MAX_TASKS

from tests.cluster.progress import wait_until
from tests.helm import render
from tests.kube import OPERATOR
from tests.kubectl import Kubectl, Refused, apply_all

API = "podhatch.dev/v1alpha1"
JOB = "orders-1-ship-bcdfghjklmnp-1"
POD = f"{JOB}-x7k2p"
CHILD = "orders-1-bcdfghjklmnp"
NAMESPACE = f"policies-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module", autouse=True)
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


class Pods:
    """Makes pods that never start, and takes their way into the cluster."""

    def __init__(self, kubectl: Kubectl, namespace: str, folder: Path) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        self._folder = folder

    def enter_as(self, pod: str, account: str = SPAWN_ACCOUNT) -> Kubectl:
        """Make a pod and return its way into the cluster."""
        apply_all(self._kubectl, [pod_that_never_starts(self._namespace, pod, account)])
        bound = ("--bound-object-kind", "Pod", "--bound-object-name", pod)
        return self._with_token(account, pod, *bound)

    def enter_without_pod(self, account: str = SPAWN_ACCOUNT) -> Kubectl:
        """Return the way of somebody who got a token of the account itself."""
        return self._with_token(account, f"loose-{account}")

    def _with_token(self, account: str, name: str, *flags: str) -> Kubectl:
        words = ("create", "token", account, "-n", self._namespace, *flags)
        return self._kubectl.with_token(self._kubectl(*words).strip(), self._folder / name)


@pytest.fixture(scope="module")
def pods(kubectl: Kubectl, namespace: str, tmp_path_factory: pytest.TempPathFactory) -> Pods:
    return Pods(kubectl, namespace, tmp_path_factory.mktemp("tokens"))


@pytest.fixture(scope="module")
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


@pytest.fixture(scope="module")
def reporter(pods: Pods, runner: Kubectl) -> Kubectl:
    """The way of a pod that only reports."""
    return pods.enter_as("other-1-pack-bcdfghjklmnp-1-x7k2p", REPORT_ACCOUNT)


def service_account(namespace: str, name: str) -> JsonObject:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def role_binding(namespace: str, name: str, *, subject_namespace: str) -> JsonObject:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{name}-of-{subject_namespace}", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": subject_namespace}],
    }


def pod_that_never_starts(namespace: str, name: str, account: str) -> JsonObject:
    """A token can be bound to a pod as soon as it exists."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceAccountName": account,
            "schedulingGates": [{"name": "podhatch.dev/test"}],
            "containers": [{"name": "task", "image": "python:3.13-slim"}],
        },
    }


def owner(run: str = "orders-1", **fields: object) -> JsonObject:
    return {"apiVersion": API, "kind": "WorkflowRun", "name": run, "uid": "a-uid", **fields}


def result(namespace: str, name: str, **metadata: object) -> JsonObject:
    return {
        "apiVersion": API,
        "kind": "TaskResult",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"podhatch.dev/run": "orders-1", "podhatch.dev/task": "ship"},
            "ownerReferences": [owner()],
            **metadata,
        },
        "spec": {"run": "orders-1", "task": "ship", "attempt": 1, "outcome": "Succeeded"},
    }


def child(namespace: str, name: str = CHILD, **parent: JsonObject | str | int) -> JsonObject:
    """A run as a task of the pod POD asks for it, unless another parent is named."""
    return {
        "apiVersion": API,
        "kind": "WorkflowRun",
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner()]},
        "spec": {
            "workflow": "fan-out",
            "parent": {"run": "orders-1", "task": "ship", "job": JOB, "index": 0, **parent},
        },
    }


def event(namespace: str, **pushed_by: str) -> JsonObject:
    return {
        "apiVersion": API,
        "kind": "WorkflowEvent",
        "metadata": {"name": "approved", "namespace": namespace},
        "spec": {"key": "approved", **({"pushedBy": pushed_by} if pushed_by else {})},
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


def refused(kubectl: Kubectl, *words: str) -> str:
    """The words in which the server refuses a command; empty when it does it."""
    try:
        kubectl(*words)
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


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"finalizers": ["evil.example/stay"]}, "a TaskResult has none"),
        ({"finalizers": ["orphan"]}, "a TaskResult has none"),
        ({"ownerReferences": []}, "has one owner"),
        ({"ownerReferences": [owner(), owner(uid="another")]}, "has one owner"),
        ({"ownerReferences": [owner("another-run")]}, "has one owner"),
        ({"ownerReferences": [owner(controller=True)]}, "has one owner"),
        ({"ownerReferences": [owner(blockOwnerDeletion=True)]}, "has one owner"),
        ({"ownerReferences": [owner(kind="Workflow")]}, "has one owner"),
        ({"ownerReferences": [owner(apiVersion="v1")]}, "has one owner"),
        (
            {"labels": {"podhatch.dev/run": "another", "podhatch.dev/task": "ship"}},
            "metadata.labels",
        ),
        ({"labels": {"podhatch.dev/run": "orders-1"}}, "metadata.labels"),
    ],
)
def test_a_result_belongs_to_its_run_alone_and_keeps_nothing_from_being_deleted(
    runner: Kubectl, namespace: str, metadata: JsonObject, words: str
) -> None:
    assert words in refusal(runner, result(namespace, JOB, **metadata))


def test_a_pod_of_job_a_b_does_not_write_for_job_a(
    pods: Pods, runner: Kubectl, namespace: str
) -> None:
    attacker = pods.enter_as("a-b-x7k2p")
    assert "may not write" in refusal(attacker, result(namespace, "a"))
    assert refusal(attacker, result(namespace, "a-b")) == ""


@pytest.mark.parametrize("account", [SPAWN_ACCOUNT, REPORT_ACCOUNT, "bridge"])
def test_a_token_that_is_no_pods_writes_nothing_of_tasks(
    pods: Pods, runner: Kubectl, namespace: str, account: str
) -> None:
    loose = pods.enter_without_pod(account)
    assert "is not bound to one" in refusal(loose, result(namespace, JOB))
    if account != REPORT_ACCOUNT:
        assert "is not bound to one" in refusal(loose, child(namespace))
        assert "not pushed by a pod of the Job" in refusal(
            loose, event(namespace, user=user(namespace, account), job=JOB)
        )


def test_the_administrator_writes_no_results_and_no_child_runs(
    kubectl: Kubectl, runner: Kubectl, namespace: str
) -> None:
    assert "is not bound to one" in refusal(kubectl, result(namespace, JOB))
    assert "is not bound to one" in refusal(kubectl, child(namespace))
    alone = child(namespace, "any-name")
    del alone["spec"]["parent"]
    assert refusal(kubectl, alone) == ""
    alone["spec"]["trigger"] = {"event": {"id": "paid-1", "key": "paid"}}
    assert refusal(kubectl, alone) == ""


def test_the_operator_starts_what_events_and_crons_ask_for(
    kubectl: Kubectl, runner: Kubectl, namespace: str
) -> None:
    operator = kubectl.impersonating(OPERATOR)
    started = child(namespace, "any-name")
    del started["spec"]["parent"]
    started["spec"]["trigger"] = {"event": {"id": "paid-1", "key": "paid"}}
    assert "denied request" not in refusal(operator, started)


def test_a_pod_writes_in_its_own_namespace_only(
    kubectl: Kubectl, runner: Kubectl, namespace: str
) -> None:
    other = f"{namespace}-other"
    kubectl("create", "namespace", other)
    try:
        assert "is forbidden" in refusal(runner, result(other, JOB))
        # Even where somebody bound the role to the account of another namespace.
        apply_all(kubectl, [role_binding(other, SPAWN_ACCOUNT, subject_namespace=namespace)])
        wait_until(
            lambda: "the namespace of the task's own pod" in refusal(runner, result(other, JOB)),
            30,
            "the refusal by policy",
        )
        assert "in its own namespace" in refusal(runner, child(other))
        assert "not pushed by a pod" in refusal(runner, event(other, user=user(namespace), job=JOB))
    finally:
        kubectl("delete", "namespace", other, "--wait=false")


READS = [
    ("list", "taskresults"),
    ("update", "taskresults"),
    ("delete", "taskresults"),
    ("update", "workflowruns"),
    ("patch", "workflowruns"),
    ("delete", "workflowruns"),
    ("create", "workflows"),
    ("get", "workflows"),
    ("create", "cronworkflows"),
    ("create", "eventfilters"),
    ("get", "workflowevents"),
    ("delete", "workflowevents"),
    ("get", "secrets"),
    ("get", "configmaps"),
    ("list", "pods"),
    ("create", "pods"),
    ("create", "serviceaccounts/token"),
]


@pytest.mark.parametrize("words", READS, ids=" ".join)
def test_a_pod_that_spawns_may_do_nothing_else(
    runner: Kubectl, namespace: str, words: tuple[str, str]
) -> None:
    with pytest.raises(Refused):
        runner("auth", "can-i", *words, "-n", namespace)
    assert runner("auth", "can-i", "create", "taskresults", "-n", namespace).strip() == "yes"


@pytest.mark.parametrize(
    "words",
    [
        *READS,
        ("get", "taskresults"),
        ("watch", "taskresults"),
        *((verb, "workflowruns") for verb in ("create", "get", "list", "watch")),
        ("create", "workflowevents"),
    ],
    ids=" ".join,
)
def test_a_pod_that_reports_may_do_nothing_else(
    reporter: Kubectl, namespace: str, words: tuple[str, str]
) -> None:
    with pytest.raises(Refused):
        reporter("auth", "can-i", *words, "-n", namespace)
    assert reporter("auth", "can-i", "patch", "taskresults", "-n", namespace).strip() == "yes"


@pytest.fixture(scope="module")
def owners(kubectl: Kubectl, namespace: str) -> list[JsonObject]:
    """A run that is there: the garbage collector deletes what belongs to nothing."""
    run = child(namespace, "orders-1")
    del run["spec"]["parent"], run["metadata"]["ownerReferences"]
    kubectl("create", "-f", "-", manifests=[run])
    return [owner(uid=kubectl.json("get", "wfr/orders-1", "-n", namespace)["metadata"]["uid"])]


@pytest.fixture(scope="module")
def stored(runner: Kubectl, owners: list[JsonObject], namespace: str) -> str:
    """The result that the pod POD has written."""
    runner("create", "-f", "-", manifests=[result(namespace, JOB, ownerReferences=owners)])
    return JOB


def test_an_empty_patch_shows_a_pod_nothing_of_anothers_result(
    reporter: Kubectl, pods: Pods, stored: str, namespace: str
) -> None:
    metadata = {"name": stored, "namespace": namespace}
    nothing = {"apiVersion": API, "kind": "TaskResult", "metadata": metadata}
    with pytest.raises(Refused, match="may not write"):
        apply_all(reporter, [nothing])
    with pytest.raises(Refused, match="is not bound to one"):
        apply_all(pods.enter_without_pod(REPORT_ACCOUNT), [nothing])


def patch_refused(kubectl: Kubectl, name: str, namespace: str, metadata: JsonObject) -> str:
    """The words in which the server refuses other metadata of a result; empty when it takes it."""
    body = json.dumps({"metadata": metadata})
    words = ("--type=merge", "--dry-run=server", "-p", body)
    return refused(kubectl, "patch", "taskresult", name, "-n", namespace, *words)


def test_a_pod_gives_its_result_no_finalizer_later(
    runner: Kubectl, stored: str, namespace: str
) -> None:
    stays = {"finalizers": ["evil.example/stay"]}
    assert "a TaskResult has none" in patch_refused(runner, stored, namespace, stays)
    foreign = {"ownerReferences": [owner(kind="Node", apiVersion="v1")]}
    assert "has one owner" in patch_refused(runner, stored, namespace, foreign)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"ownerReferences": None}, ""),
        ({"labels": {"a": "b"}}, "is not bound to one"),
        ({"finalizers": ["a.example/stay"]}, "is not bound to one"),
        ({"ownerReferences": [owner()]}, "is not bound to one"),
    ],
)
def test_others_may_only_take_away_what_keeps_a_result_from_being_deleted(
    kubectl: Kubectl, stored: str, namespace: str, metadata: JsonObject, words: str
) -> None:
    answer = patch_refused(kubectl, stored, namespace, metadata)
    assert words in answer if words else answer == ""


@pytest.mark.parametrize("cascade", ["background", "foreground", "orphan"])
def test_results_can_be_deleted_in_every_way(
    kubectl: Kubectl, pods: Pods, owners: list[JsonObject], namespace: str, cascade: str
) -> None:
    name = f"deleted-{cascade}"
    written = result(namespace, name, ownerReferences=owners)
    pods.enter_as(f"{name}-x7k2p")("create", "-f", "-", manifests=[written])
    kubectl("delete", "taskresult", name, "-n", namespace, f"--cascade={cascade}", "--timeout=30s")


def test_a_pod_starts_children_of_its_own_attempt(runner: Kubectl, namespace: str) -> None:
    assert refusal(runner, child(namespace)) == ""


def test_the_children_of_a_run_with_a_long_name_are_named_after_its_start(
    pods: Pods, runner: Kubectl, namespace: str
) -> None:
    run = f"{'long-name-' * 6}x"
    job = "long-name-long-name-lo-ship-bcdfghjklmnp-1"
    pod = pods.enter_as(f"{job}-x7k2p")
    asked = child(namespace, f"{run[:49]}-bcdfghjklmnp", run=run, job=job)
    asked["metadata"]["ownerReferences"] = [owner(run)]
    assert refusal(pod, asked) == ""


@pytest.mark.parametrize("job", [JOB.removesuffix("-1"), POD, f"{JOB}x", JOB[:-1] + "2"])
def test_a_pod_starts_no_children_of_another(runner: Kubectl, namespace: str, job: str) -> None:
    words = refusal(runner, child(namespace, job=job))
    assert f"pod {POD} may not start WorkflowRun {CHILD}" in words


@pytest.mark.parametrize(
    "name", ["tick-1", "orders-1", "orders-2-bcdfghjklmnp", "orders-bcdfghjklmnp", "orders-1-child"]
)
def test_a_child_run_is_named_after_its_parent(runner: Kubectl, namespace: str, name: str) -> None:
    assert "is not named after orders-1" in refusal(runner, child(namespace, name))


def test_a_pod_does_not_name_another_run_as_its_own(runner: Kubectl, namespace: str) -> None:
    asked = child(namespace, "invoices-1-bcdfghjklmnp", run="invoices-1")
    asked["metadata"]["ownerReferences"] = [owner("invoices-1")]
    assert "is not named after invoices-1 as podhatch names" in refusal(runner, asked)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"finalizers": ["evil.example/stay"]}, "a child run has none"),
        ({"ownerReferences": [owner("another-run")]}, "a child run has no owner but"),
        ({"ownerReferences": [owner(), owner(kind="Workflow")]}, "a child run has no owner but"),
        ({"ownerReferences": [owner(blockOwnerDeletion=True)]}, "a child run has no owner but"),
    ],
)
def test_a_child_run_belongs_to_its_parent_and_keeps_nothing_from_being_deleted(
    runner: Kubectl, namespace: str, metadata: JsonObject, words: str
) -> None:
    asked = child(namespace)
    asked["metadata"] |= metadata
    assert words in refusal(runner, asked)


def test_a_pod_starts_no_run_without_a_parent(runner: Kubectl, namespace: str) -> None:
    orphan = child(namespace)
    del orphan["spec"]["parent"]
    assert "spec.parent.job must name the Job" in refusal(runner, orphan)


def test_a_pod_does_not_say_that_an_event_started_a_run(
    pods: Pods, runner: Kubectl, namespace: str
) -> None:
    pretender = child(namespace)
    pretender["spec"]["trigger"] = {"event": {"id": "paid-1", "key": "paid"}}
    assert "only the operator says which event" in refusal(runner, pretender)
    del pretender["spec"]["parent"]
    bridge = pods.enter_as("bridge-1", "bridge")
    assert "only the operator says which event" in refusal(bridge, pretender)


def user(namespace: str, account: str = SPAWN_ACCOUNT) -> str:
    return f"system:serviceaccount:{namespace}:{account}"


def test_the_event_of_a_task_names_the_task(runner: Kubectl, namespace: str) -> None:
    assert refusal(runner, event(namespace, user=user(namespace), job=JOB)) == ""


@pytest.mark.parametrize(
    "pushed_by",
    [
        {},
        {"user": "alice"},
        {"user": "alice", "job": JOB},
        {"user": "NAMESPACE"},
        {"job": JOB},
        {"user": "NAMESPACE", "job": "another-job-1"},
    ],
)
def test_a_task_pushes_no_event_in_another_name(
    runner: Kubectl, namespace: str, pushed_by: dict[str, str]
) -> None:
    named = {key: value.replace("NAMESPACE", user(namespace)) for key, value in pushed_by.items()}
    assert "spec.pushedBy" in refusal(runner, event(namespace, **named))


def test_the_event_of_a_task_has_no_finalizer_and_no_owner(runner: Kubectl, namespace: str) -> None:
    pushed = event(namespace, user=user(namespace), job=JOB)
    pushed["metadata"]["finalizers"] = ["evil.example/stay"]
    assert "the event of a task has none" in refusal(runner, pushed)
    pushed["metadata"] |= {"finalizers": [], "ownerReferences": [owner()]}
    assert "the event of a task has no owner" in refusal(runner, pushed)


def test_people_and_programs_push_events_in_their_own_name_or_in_none(
    kubectl: Kubectl, pods: Pods, runner: Kubectl, namespace: str
) -> None:
    me: str = kubectl.json("auth", "whoami")["status"]["userInfo"]["username"]
    bridge = pods.enter_as("bridge-0", "bridge")
    assert refusal(kubectl, event(namespace)) == ""
    assert refusal(kubectl, event(namespace, user=me)) == ""
    assert refusal(bridge, event(namespace, user=user(namespace, "bridge"))) == ""
    assert refusal(bridge, event(namespace)) == ""
    assert "and it names alice" in refusal(kubectl, event(namespace, user="alice"))
    assert f"and it names {me}" in refusal(bridge, event(namespace, user=me))


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
