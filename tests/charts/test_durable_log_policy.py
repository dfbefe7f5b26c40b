"""Who may write which DurableLog, by the chart's policy, for each kind of identity."""

import pytest
from podhatch.api.labels import REPORT_ACCOUNT, SPAWN_ACCOUNT
from podhatch.api.model import JsonObject
from podhatch.api.names import durable_log_name

from tests.charts.policies import Identity, Policy
from tests.helm import render

JOB = "orders-1-ship-bcdfghjklmnp-3"
POD = f"{JOB}-x7k2p"
LOG = durable_log_name(JOB)
ACCOUNT = "system:serviceaccount:team:"
OWN_POD = Identity(f"{ACCOUNT}{SPAWN_ACCOUNT}", POD)
OWN_ACCOUNT = Identity(f"{ACCOUNT}builder", POD)
"""A pod of the task that has another account than podhatch's."""
OTHER_PODS = (
    Identity(f"{ACCOUNT}{SPAWN_ACCOUNT}", "orders-1-pack-bcdfghjklmnw-3-x7k2p"),
    Identity(f"{ACCOUNT}builder", "orders-1-pack-bcdfghjklmnw-3-x7k2p"),
    Identity(f"{ACCOUNT}{SPAWN_ACCOUNT}", "x-orders-1-ship-bcdfghjklmnp-3-x7k2p"),
    Identity(f"{ACCOUNT}{REPORT_ACCOUNT}", "orders-1-pack-bcdfghjklmnw-3-x7k2p"),
)
LOOSE = (
    Identity(f"{ACCOUNT}{SPAWN_ACCOUNT}"),
    Identity(f"{ACCOUNT}{SPAWN_ACCOUNT}", "a-pod-of-somebody"),
    Identity(f"{ACCOUNT}{REPORT_ACCOUNT}"),
)
OTHERS = (
    Identity("kubernetes-admin"),
    Identity(f"{ACCOUNT}builder"),
    Identity(f"{ACCOUNT}notebook", "notebook-0"),
    Identity("system:serviceaccount:kube-system:generic-garbage-collector"),
)
TRUSTED = (
    Identity("system:serviceaccount:podhatch-system:podhatch"),
    Identity("system:serviceaccount:velero:velero"),
)


@pytest.fixture(scope="module")
def policy() -> Policy:
    flags = ("--set", "trustedIdentities={system:serviceaccount:velero:velero}")
    flags += ("--set", "serviceAccount.name=podhatch")
    [found] = [
        each
        for each in render(*flags, namespace="podhatch-system")
        if each["kind"] == "ValidatingAdmissionPolicy"
        and each["metadata"]["name"] == "podhatch-own-durable-logs"
    ]
    return Policy(found)


def owner(run: str = "orders-1", **fields: object) -> JsonObject:
    api = "podhatch.dev/v1alpha1"
    return {"apiVersion": api, "kind": "WorkflowRun", "name": run, "uid": "a-uid", **fields}


def log(
    name: str = f"{LOG}-0", invocation: int = 3, page: int = 0, **metadata: object
) -> JsonObject:
    return {
        "metadata": {
            "name": name,
            "namespace": "team",
            "ownerReferences": [owner()],
            "labels": {"podhatch.dev/run": "orders-1", "podhatch.dev/task": "ship"},
            **metadata,
        },
        "spec": {"run": "orders-1", "task": "ship", "page": page, "invocation": invocation},
    }


@pytest.mark.parametrize("identity", [OWN_POD, OWN_ACCOUNT])
def test_a_pod_writes_the_pages_of_its_own_task(policy: Policy, identity: Identity) -> None:
    assert policy.refusal(identity, log()) == ""
    assert policy.refusal(identity, log(f"{LOG}-12", page=12)) == ""
    assert policy.refusal(identity, log(), log(invocation=2)) == ""


@pytest.mark.parametrize("identity", [OWN_POD, OWN_ACCOUNT])
def test_a_pod_writes_as_its_own_invocation(policy: Policy, identity: Identity) -> None:
    for invocation in (2, 4, 33):
        words = policy.refusal(identity, log(invocation=invocation), log(invocation=1))
        assert words == f"spec.invocation: pod {POD} writes as invocation 3"


@pytest.mark.parametrize("name", [LOG, f"{LOG}-1", f"{JOB}-log-0", "another-log-0", f"{LOG}-00"])
def test_a_pod_writes_under_no_other_name(policy: Policy, name: str) -> None:
    assert f"pod {POD} may not write DurableLog {name}" in policy.refusal(OWN_POD, log(name))


@pytest.mark.parametrize("identity", OTHER_PODS, ids=str)
def test_a_pod_of_another_task_writes_nothing(policy: Policy, identity: Identity) -> None:
    for old in (None, log()):
        words = policy.refusal(identity, log(), old)
        assert f"pod {identity.pod} may not write DurableLog {LOG}-0" in words


@pytest.mark.parametrize("identity", LOOSE, ids=str)
def test_an_account_of_tasks_without_a_pod_of_a_task_writes_nothing(
    policy: Policy, identity: Identity
) -> None:
    for old in (None, log()):
        assert "is not bound to one" in policy.refusal(identity, log(), old)


def test_a_pod_writes_in_its_own_namespace_only(policy: Policy) -> None:
    words = policy.refusal(OWN_POD, log(namespace="another"))
    assert words == "a task's pod can write a DurableLog in its own namespace only"


@pytest.mark.parametrize("identity", [OWN_POD, OWN_ACCOUNT, *OTHER_PODS, *LOOSE], ids=str)
def test_no_task_says_which_waits_are_over(policy: Policy, identity: Identity) -> None:
    words = policy.refusal(identity, log(), log(), status=True)
    assert "a task's pod cannot say which of its waits are over" in words


@pytest.mark.parametrize("identity", OTHERS, ids=str)
def test_others_create_no_log_and_may_change_one_and_its_status(
    policy: Policy, identity: Identity
) -> None:
    words = policy.refusal(identity, log())
    assert words == "a DurableLog is created by a durable task's own pod"
    reset = log(invocation=9, labels={})
    assert policy.refusal(identity, reset, log()) == ""
    assert policy.refusal(identity, log(), log(), status=True) == ""
    assert policy.refusal(identity, log(ownerReferences=[]), log()) == ""
    stays = log(finalizers=["a.example/stay"])
    assert policy.refusal(identity, stays, log()).startswith("metadata.finalizers: ")
    assert policy.refusal(identity, stays, stays) == ""
    foreign = log(ownerReferences=[owner(uid="another")])
    assert policy.refusal(identity, foreign, log()).startswith("metadata.ownerReferences: ")


@pytest.mark.parametrize("identity", TRUSTED, ids=str)
def test_the_operator_and_who_is_trusted_write_everything(
    policy: Policy, identity: Identity
) -> None:
    assert policy.refusal(identity, log("any-name", finalizers=["a.example/stay"])) == ""
    assert policy.refusal(identity, log(), log(), status=True) == ""


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"finalizers": ["evil.example/stay"]}, "metadata.finalizers"),
        ({"ownerReferences": []}, "must have one owner"),
        ({"ownerReferences": [owner(), owner(uid="another")]}, "must have one owner"),
        ({"ownerReferences": [owner("another-run")]}, "must have one owner"),
        ({"ownerReferences": [owner(controller=True)]}, "must have one owner"),
        ({"ownerReferences": [owner(blockOwnerDeletion=True)]}, "must have one owner"),
        ({"ownerReferences": [owner(kind="Workflow")]}, "must have one owner"),
        ({"ownerReferences": [owner(apiVersion="v1")]}, "must have one owner"),
        ({"labels": {"podhatch.dev/run": "orders-1"}}, "metadata.labels"),
        ({"labels": {"podhatch.dev/run": "x", "podhatch.dev/task": "ship"}}, "metadata.labels"),
    ],
)
def test_a_log_belongs_to_its_run_alone(policy: Policy, metadata: JsonObject, words: str) -> None:
    assert words in policy.refusal(OWN_POD, log(**metadata))


def test_the_policy_is_asked_about_logs_and_their_status(policy: Policy) -> None:
    [rule] = policy.manifest["spec"]["matchConstraints"]["resourceRules"]
    assert rule["resources"] == ["durablelogs", "durablelogs/status"]
    assert rule["operations"] == ["CREATE", "UPDATE"]
