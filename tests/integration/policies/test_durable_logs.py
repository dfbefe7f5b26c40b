"""The policy on logs of durable tasks: a pod writes that of its own task, as what it is."""

import json

import pytest
from podhatch.api.labels import REPORT_ACCOUNT, SPAWN_ACCOUNT
from podhatch.api.model import JsonObject
from podhatch.api.names import durable_log_name

from tests.cluster.progress import wait_until
from tests.helm import RELEASE
from tests.integration.policies.objects import API, JOB, POD, Pods, owner, refusal, refused
from tests.kube import OPERATOR
from tests.kubectl import Kubectl, Refused

LOG = durable_log_name(JOB)


def page(
    namespace: str, name: str = f"{LOG}-0", *, metadata: JsonObject | None = None, **spec: object
) -> JsonObject:
    return {
        "apiVersion": API,
        "kind": "DurableLog",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"podhatch.dev/run": "orders-1", "podhatch.dev/task": "ship"},
            "ownerReferences": [owner()],
            **(metadata or {}),
        },
        "spec": {"run": "orders-1", "task": "ship", "page": 0, "invocation": 1, **spec},
    }


@pytest.fixture(scope="module", autouse=True)
def policy_in_force(runner: Kubectl, namespace: str) -> None:
    wait_until(
        lambda: "may not write DurableLog" in refusal(runner, page(namespace, "x-log-0")),
        30,
        "the policy on durable logs",
    )


def test_a_pod_writes_the_log_of_its_own_task(runner: Kubectl, namespace: str) -> None:
    assert refusal(runner, page(namespace)) == ""
    assert refusal(runner, page(namespace, f"{LOG}-7", page=7)) == ""


@pytest.mark.parametrize(
    ("name", "spec"),
    [
        (f"{LOG}-1", {}),
        (LOG, {}),
        (f"{LOG}-0", {"page": 1}),
        ("another-log-0", {}),
        (f"{JOB}-log-0", {}),
        (LOG.removesuffix("-log") + "x-log-0", {}),
    ],
)
def test_a_pod_writes_no_other_log(
    runner: Kubectl, namespace: str, name: str, spec: JsonObject
) -> None:
    assert f"pod {POD} may not write DurableLog {name}" in refusal(
        runner, page(namespace, name, **spec)
    )


@pytest.mark.parametrize("invocation", [2, 11])
def test_a_pod_writes_as_the_invocation_that_it_is(
    pods: Pods, runner: Kubectl, namespace: str, invocation: int
) -> None:
    words = refusal(runner, page(namespace, invocation=invocation))
    assert f"pod {POD} writes as invocation 1" in words
    later = pods.enter_as(f"{JOB.removesuffix('1')}{invocation}-x7k2p")
    assert refusal(later, page(namespace, invocation=invocation)) == ""


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"finalizers": ["evil.example/stay"]}, "a DurableLog cannot have finalizers"),
        ({"ownerReferences": []}, "must have one owner"),
        ({"ownerReferences": [owner(), owner(uid="another")]}, "must have one owner"),
        ({"ownerReferences": [owner("another-run")]}, "must have one owner"),
        ({"ownerReferences": [owner(controller=True)]}, "must have one owner"),
        ({"ownerReferences": [owner(blockOwnerDeletion=True)]}, "must have one owner"),
        ({"labels": {"podhatch.dev/run": "orders-1"}}, "metadata.labels"),
    ],
)
def test_a_log_belongs_to_its_run_alone(
    runner: Kubectl, namespace: str, metadata: JsonObject, words: str
) -> None:
    assert words in refusal(runner, page(namespace, metadata=metadata))


@pytest.mark.parametrize("account", ["podhatch-spawn", REPORT_ACCOUNT, "bridge"])
def test_a_token_that_is_no_pods_writes_no_log(pods: Pods, namespace: str, account: str) -> None:
    loose = pods.enter_without_pod(account)
    words = {
        "podhatch-spawn": "is not bound to one",
        REPORT_ACCOUNT: "is forbidden",
        "bridge": "is created by a durable task's own pod",
    }
    assert words[account] in refusal(loose, page(namespace))


def test_the_administrator_creates_no_log(kubectl: Kubectl, namespace: str) -> None:
    assert "is created by a durable task's own pod" in refusal(kubectl, page(namespace))


@pytest.fixture(scope="module")
def stored(runner: Kubectl, owners: list[JsonObject], namespace: str) -> str:
    """The log that the pod POD has written."""
    manifest = page(namespace, metadata={"ownerReferences": owners})
    runner("create", "-f", "-", manifests=[manifest])
    return f"{LOG}-0"


def patched(kubectl: Kubectl, name: str, namespace: str, body: JsonObject, *flags: str) -> str:
    """The words in which the server refuses a change; empty when it takes it."""
    words = ("--type=merge", "--dry-run=server", "-p", json.dumps(body), *flags)
    return refused(kubectl, "patch", "durablelog", name, "-n", namespace, *words)


CLOSED: JsonObject = {"spec": {"closed": True}}
OVER: JsonObject = {"status": {"waiting": "nothing"}}


def test_only_pods_of_the_task_change_its_log(
    pods: Pods, runner: Kubectl, stored: str, namespace: str
) -> None:
    assert patched(runner, stored, namespace, CLOSED) == ""
    other = pods.enter_as("other-1-pack-bcdfghjklmnp-1-q7k2p")
    assert "may not write DurableLog" in patched(other, stored, namespace, CLOSED)
    own_account = pods.enter_as("other-1-pack-bcdfghjklmnp-2-q7k2p", "bridge")
    assert "may not write DurableLog" in patched(own_account, stored, namespace, CLOSED)
    again = pods.enter_as(f"{JOB.removesuffix('1')}2-q7k2p")
    assert "writes as invocation 2" in patched(again, stored, namespace, CLOSED)
    taken = {"spec": {"invocation": 2}}
    assert patched(again, stored, namespace, taken) == ""


OTHER_PODS = {
    "another task of the run": ("orders-1-pack-qrqrqrqrqrqr-1-x7k2p", SPAWN_ACCOUNT),
    "the task of another run": ("orders-2-ship-stststststst-1-x7k2p", SPAWN_ACCOUNT),
    "a task of another workflow": ("billing-1-ship-vwvwvwvwvwvw-1-x7k2p", SPAWN_ACCOUNT),
    "a task that may only report": ("billing-1-pack-xzxzxzxzxzxz-1-x7k2p", REPORT_ACCOUNT),
    "a task with the default account": ("billing-1-wrap-242424242424-1-x7k2p", "default"),
    "a task with an administrator's account": ("billing-1-send-565656565656-1-x7k2p", "bridge"),
}


@pytest.mark.parametrize("who", OTHER_PODS)
def test_a_pod_of_another_task_writes_nothing_to_the_log(
    pods: Pods, stored: str, namespace: str, who: str
) -> None:
    other = pods.enter_as(*OTHER_PODS[who])
    refusals = [
        refusal(other, page(namespace, f"{LOG}-1", page=1)),
        patched(other, stored, namespace, CLOSED),
        patched(other, stored, namespace, {"spec": {"invocation": 1, "calls": []}}),
    ]
    for words in refusals:
        assert "may not write DurableLog" in words or "is forbidden" in words
    assert patched(other, stored, namespace, OVER, "--subresource=status") != ""


def test_a_pod_of_an_earlier_invocation_writes_nothing_to_a_log_that_was_taken_over(
    kubectl: Kubectl, pods: Pods, owners: list[JsonObject], namespace: str
) -> None:
    job = "orders-1-wrap-787878787878-1"
    name = f"{durable_log_name(job)}-0"
    earlier = pods.enter_as(f"{job}-x7k2p")
    later = pods.enter_as(f"{job.removesuffix('1')}2-x7k2p")
    run_and_task = {"podhatch.dev/run": "orders-1", "podhatch.dev/task": "wrap"}
    metadata = {"ownerReferences": owners, "labels": run_and_task}
    earlier("create", "-f", "-", manifests=[page(namespace, name, metadata=metadata, task="wrap")])
    body = json.dumps({"spec": {"invocation": 2}})
    later("patch", "durablelog", name, "-n", namespace, "--type=merge", "-p", body)
    assert "writes as invocation 1" in patched(earlier, name, namespace, CLOSED)
    back = {"spec": {"invocation": 1, "closed": True}}
    assert "invocation cannot decrease" in patched(earlier, name, namespace, back)
    forged = {"spec": {"invocation": 3, "closed": True}}
    assert "writes as invocation 1" in patched(earlier, name, namespace, forged)
    spec = kubectl.json("get", "durablelog", name, "-n", namespace)["spec"]
    assert spec["invocation"] == 2
    assert not spec.get("closed")


@pytest.mark.parametrize(
    ("role", "may_reset"),
    [
        ("admin", True),
        ("edit", True),
        (f"{RELEASE}-author", True),
        (f"{RELEASE}-submit", False),
        (f"{RELEASE}-event-bridge", False),
    ],
)
def test_people_reset_a_task_by_their_role_and_write_nothing_else(
    kubectl: Kubectl, stored: str, namespace: str, role: str, may_reset: bool
) -> None:
    user = f"somebody-with-{role}"
    words = ("create", "rolebinding", user, "-n", namespace, f"--clusterrole={role}")
    kubectl(*words, f"--user={user}")
    somebody = kubectl.impersonating(user)
    reset: JsonObject = {"spec": {"calls": [], "branch": 2}}

    def is_as_said() -> bool:
        words = patched(somebody, stored, namespace, reset)
        return words == "" if may_reset else "is forbidden" in words

    wait_until(is_as_said, 10, "the role to count")
    assert refusal(somebody, page(namespace, f"{LOG}-1", page=1)) != ""
    assert patched(somebody, stored, namespace, OVER, "--subresource=status") != ""


def test_the_operator_and_people_alone_say_which_waits_are_over(
    kubectl: Kubectl, pods: Pods, runner: Kubectl, stored: str, namespace: str
) -> None:
    flag = "--subresource=status"
    assert patched(runner, stored, namespace, OVER, flag) != ""
    own_account = pods.enter_as(f"{JOB}-b7k2p", "bridge")
    words = patched(own_account, stored, namespace, OVER, flag)
    assert "cannot say which of its waits are over" in words
    for identity in (kubectl, kubectl.impersonating(OPERATOR)):
        assert "cannot say" not in patched(identity, stored, namespace, OVER, flag)


def test_people_may_reset_a_task_and_keep_no_log_from_being_deleted(
    kubectl: Kubectl, stored: str, namespace: str
) -> None:
    assert patched(kubectl, stored, namespace, {"spec": {"calls": [], "branch": 2}}) == ""
    stays = {"metadata": {"finalizers": ["a.example/stay"]}}
    assert "cannot have finalizers" in patched(kubectl, stored, namespace, stays)
    foreign = {"metadata": {"ownerReferences": [owner(uid="another")]}}
    assert "must have one owner" in patched(kubectl, stored, namespace, foreign)


def test_a_pod_cannot_delete_its_log(runner: Kubectl, stored: str, namespace: str) -> None:
    with pytest.raises(Refused, match="forbidden"):
        runner("delete", "durablelog", stored, "-n", namespace)
