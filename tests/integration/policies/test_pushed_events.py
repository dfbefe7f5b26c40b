"""The policy on events: an event names nobody but who pushes it."""

import pytest

from tests.integration.policies.objects import JOB, Pods, event, owner, refusal, user
from tests.kubectl import Kubectl


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
    assert "an event of a task cannot have finalizers" in refusal(runner, pushed)
    pushed["metadata"] |= {"finalizers": [], "ownerReferences": [owner()]}
    assert "an event of a task cannot have owners" in refusal(runner, pushed)


def test_people_and_programs_push_events_in_their_own_name_or_in_none(
    kubectl: Kubectl, pods: Pods, runner: Kubectl, namespace: str
) -> None:
    me: str = kubectl.json("auth", "whoami")["status"]["userInfo"]["username"]
    bridge = pods.enter_as("bridge-0", "bridge")
    assert refusal(kubectl, event(namespace)) == ""
    assert refusal(kubectl, event(namespace, user=me)) == ""
    assert refusal(bridge, event(namespace, user=user(namespace, "bridge"))) == ""
    assert refusal(bridge, event(namespace)) == ""
    assert "got alice" in refusal(kubectl, event(namespace, user="alice"))
    assert f"got {me}" in refusal(bridge, event(namespace, user=me))
