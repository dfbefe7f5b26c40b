"""The policy on runs: a pod starts children of its own attempt, and nothing else."""

import pytest
from podhatch.api.model import JsonObject

from tests.integration.policies.objects import CHILD, JOB, POD, Pods, child, owner, refusal
from tests.kubectl import Kubectl


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


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("w-bcdfghjklmnpqrst", ""),
        ("w-bcdfghjklmnp", "is not named after orders-1"),
        ("other-bcdfghjklmnpqrst", "is not named after orders-1"),
    ],
)
def test_a_child_run_with_a_key_is_named_after_its_workflow(
    runner: Kubectl, namespace: str, name: str, words: str
) -> None:
    asked = child(namespace, name)
    asked["spec"]["workflow"] = "w"
    asked["spec"]["idempotency"] = {"key": "k", "ttlSeconds": 60}
    assert words in refusal(runner, asked)
    del asked["spec"]["idempotency"]
    assert "is not named after orders-1" in refusal(runner, asked)


def test_a_pod_does_not_name_another_run_as_its_own(runner: Kubectl, namespace: str) -> None:
    asked = child(namespace, "invoices-1-bcdfghjklmnp", run="invoices-1")
    asked["metadata"]["ownerReferences"] = [owner("invoices-1")]
    assert "is not named after invoices-1 as podhatch names" in refusal(runner, asked)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"finalizers": ["evil.example/stay"]}, "a child run cannot have finalizers"),
        ({"ownerReferences": [owner("another-run")]}, "a child run can only have the owner"),
        (
            {"ownerReferences": [owner(), owner(kind="Workflow")]},
            "a child run can only have the owner",
        ),
        (
            {"ownerReferences": [owner(blockOwnerDeletion=True)]},
            "a child run can only have the owner",
        ),
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
    assert "only the operator can set the event" in refusal(runner, pretender)
    del pretender["spec"]["parent"]
    bridge = pods.enter_as("bridge-1", "bridge")
    assert "only the operator can set the event" in refusal(bridge, pretender)
