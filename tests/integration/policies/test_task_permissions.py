"""Whose token may write what tasks write, and where."""

import pytest
from podhatch.api.labels import REPORT_ACCOUNT, SPAWN_ACCOUNT

from tests.cluster.progress import wait_until
from tests.integration.policies.objects import (
    JOB,
    Pods,
    child,
    event,
    refusal,
    result,
    role_binding,
    user,
)
from tests.kube import OPERATOR
from tests.kubectl import Kubectl, Refused, apply_all


@pytest.mark.parametrize("account", [SPAWN_ACCOUNT, REPORT_ACCOUNT, "bridge"])
def test_a_token_that_is_no_pods_writes_nothing_of_tasks(
    pods: Pods, runner: Kubectl, namespace: str, account: str
) -> None:
    loose = pods.enter_without_pod(account)
    assert "is not bound to one" in refusal(loose, result(namespace, JOB))
    if account != REPORT_ACCOUNT:
        assert "is not bound to one" in refusal(loose, child(namespace))
        assert "not pushed by a pod of Job" in refusal(
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
            lambda: "TaskResult in its own namespace only" in refusal(runner, result(other, JOB)),
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
    ("list", "workflows"),
    ("create", "cronworkflows"),
    ("create", "eventfilters"),
    ("create", "ratelimits"),
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
        ("get", "workflows"),
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
