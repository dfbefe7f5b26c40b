"""Why an attempt is not running yet, from its Job, pod and Kubernetes events."""

from datetime import timedelta

import pytest
from podhatch.api.model import JsonObject
from podhatch.core.pod.diagnosis import diagnose, lookup_due
from podhatch.core.pod.pods import newest

from tests.fakes.objects import NOW, ago, job, pod

DIAGNOSES: list[tuple[JsonObject | None, str, str]] = [
    (None, "WaitingForPod", "kubectl get events --field-selector involvedObject.name=j"),
    (pod({"waiting": {"reason": "ImagePullBackOff"}}), "ImagePull", "image any:1 cannot be pulled"),
    (
        pod({"waiting": {"reason": "CreateContainerConfigError", "message": "no secret x"}}),
        "ContainerConfig",
        "no secret x",
    ),
    (
        pod(
            node=None,
            conditions=[
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/1 nodes..",
                }
            ],
        ),
        "Unschedulable",
        "0/1 nodes. Compare the task's desiredWorkerLabels, resources and tolerations",
    ),
    (
        pod(
            node=None,
            conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
        ),
        "SchedulingGated",
        "held back",
    ),
    (pod(node=None), "Scheduling", "looks for a node"),
    (
        pod(conditions=[{"type": "PodScheduled", "status": "True"}]),
        "Starting",
        "on node node-1",
    ),
]


@pytest.mark.parametrize(("its_pod", "reason", "words"), DIAGNOSES)
def test_why_an_attempt_is_not_running(its_pod: JsonObject | None, reason: str, words: str) -> None:
    diagnosis = diagnose(its_pod, None, "j")
    assert diagnosis.reason == reason
    assert words in diagnosis.message


def with_init(state: JsonObject, **fields: object) -> JsonObject:
    """Return a pod whose task waits for an init container in this state."""
    waiting = pod({"waiting": {"reason": "PodInitializing"}})
    waiting["spec"]["initContainers"] = [{"name": "fetch", "image": "fetch:1", **fields}]
    waiting["status"]["initContainerStatuses"] = [{"name": "fetch", "state": state}]
    return waiting


def note(reason: str, words: str, **fields: object) -> JsonObject:
    return {"reason": reason, "note": words, "deprecatedLastTimestamp": ago(9), **fields}


MOUNT = 'MountVolume.SetUp failed for volume "data" : secret "x" not found'


@pytest.mark.parametrize(
    ("its_pod", "notes", "reason", "message"),
    [
        (
            with_init({"waiting": {"reason": "ErrImagePull", "message": "no such host"}}),
            [],
            "ImagePull",
            "image fetch:1 of container fetch cannot be pulled: no such host. Check its name, and "
            "that this cluster's nodes may pull it",
        ),
        (
            with_init({"waiting": {"reason": "CrashLoopBackOff"}}, restartPolicy="Always"),
            [],
            "ContainerConfig",
            "the container fetch cannot start: CrashLoopBackOff",
        ),
        (
            with_init({"running": {}}),
            [],
            "Starting",
            "init container fetch is running on node node-1",
        ),
        (
            with_init({"running": {}}, restartPolicy="Always"),
            [],
            "Starting",
            "the container is being started on node node-1",
        ),
        (
            pod(),
            [
                note("FailedMount", "older"),
                note("Pulled", "x"),
                note("FailedMount", MOUNT, series={"lastObservedTime": ago(1)}),
            ],
            "FailedMount",
            f"the pod cannot start on node node-1: {MOUNT}",
        ),
        (
            None,
            [note("FailedCreate", 'pods "j-1" is forbidden: exceeded quota', series=None)],
            "FailedCreate",
            'the Job controller cannot create the pod: pods "j-1" is forbidden: exceeded quota',
        ),
    ],
)
def test_the_message_names_what_keeps_an_attempt_from_running(
    its_pod: JsonObject | None, notes: list[JsonObject], reason: str, message: str
) -> None:
    diagnosis = diagnose(its_pod, None, "j", notes)
    assert (diagnosis.reason, diagnosis.message) == (reason, message)


SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(3)}


@pytest.mark.parametrize(
    ("its_pod", "seconds"),
    [
        (pod(conditions=[SCHEDULED]), 2),
        (pod(), 4),
        (pod(node=None), None),
        (pod({"waiting": {"reason": "ImagePullBackOff"}}), None),
        (with_init({"running": {}}), None),
        (None, 4),
    ],
)
def test_events_are_asked_for_only_where_nothing_else_explains(
    its_pod: JsonObject | None, seconds: int | None
) -> None:
    due = lookup_due(its_pod, job("a"), NOW)
    assert due == (NOW + timedelta(seconds=seconds) if seconds else None)


def test_no_events_are_asked_for_without_a_job_or_while_it_is_suspended() -> None:
    suspended = job("a")
    suspended["spec"]["suspend"] = True
    assert lookup_due(None, suspended, NOW) is None
    assert lookup_due(None, None, NOW) is None


def test_the_newest_pod_counts() -> None:
    old, new = pod(), pod()
    new["metadata"]["creationTimestamp"] = "2027-01-01T00:00:00Z"
    assert newest([new, old]) is new
    assert newest([]) is None
