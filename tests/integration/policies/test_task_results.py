"""The policy on task results: a pod writes the one of its own Job, and keeps none from deletion."""

import json

import pytest
from podhatch.api.labels import REPORT_ACCOUNT
from podhatch.api.model import JsonObject

from tests.integration.policies.objects import (
    API,
    JOB,
    POD,
    Pods,
    owner,
    refusal,
    refused,
    result,
)
from tests.kubectl import Kubectl, Refused, apply_all


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
        ({"finalizers": ["evil.example/stay"]}, "a TaskResult cannot have finalizers"),
        ({"finalizers": ["orphan"]}, "a TaskResult cannot have finalizers"),
        ({"ownerReferences": []}, "must have one owner"),
        ({"ownerReferences": [owner(), owner(uid="another")]}, "must have one owner"),
        ({"ownerReferences": [owner("another-run")]}, "must have one owner"),
        ({"ownerReferences": [owner(controller=True)]}, "must have one owner"),
        ({"ownerReferences": [owner(blockOwnerDeletion=True)]}, "must have one owner"),
        ({"ownerReferences": [owner(kind="Workflow")]}, "must have one owner"),
        ({"ownerReferences": [owner(apiVersion="v1")]}, "must have one owner"),
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
    assert "a TaskResult cannot have finalizers" in patch_refused(runner, stored, namespace, stays)
    foreign = {"ownerReferences": [owner(kind="Node", apiVersion="v1")]}
    assert "must have one owner" in patch_refused(runner, stored, namespace, foreign)


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
