"""The policy on logs of durable tasks: a pod writes that of its own task, as what it is."""

import json

import pytest
from podhatch.api.labels import REPORT_ACCOUNT
from podhatch.api.model import JsonObject
from podhatch.api.names import durable_log_name

from tests.cluster.progress import wait_until
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
