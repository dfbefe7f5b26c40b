"""Why is this attempt not running? From its Job, its pod and what Events say of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api.model import JsonObject
from podhatch.api.task_status import WaitReason
from podhatch.core.pod.pods import (
    CONTAINER_NAME,
    container_spec,
    container_statuses,
    node_name,
    read_time,
    restarts_beside_task,
    true_condition,
)

LOOK_UP_AFTER = timedelta(seconds=5)
"""A pod that starts without trouble does not take so long, unless it pulls an image."""
LOOK_UP_AGAIN = timedelta(seconds=15)
_IMAGE_REASONS = frozenset(
    {
        "ErrImagePull",
        "ImagePullBackOff",
        "ErrImageNeverPull",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
    }
)
_CONTAINER_REASONS = frozenset(
    {
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreStartHookError",
        "CrashLoopBackOff",
    }
)
_NOTED_REASONS = frozenset(
    {"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox"}
)
"""What the kubelet and the volume controller say in Events of a pod, and nowhere else."""
FAILED_CREATE = "FailedCreate"
"""What the Job controller says in an Event of a Job whose pod the API server refuses."""
PROBLEM_REASONS = _NOTED_REASONS | {
    "ImagePull",
    "ContainerConfig",
    "Unschedulable",
    "Refused",
    "ResumeBackOff",
    FAILED_CREATE,
}
"""Reasons that waiting alone will hardly remove; each is worth an Event."""


@dataclass(frozen=True)
class Diagnosis:
    """Why an attempt waits."""

    reason: WaitReason
    message: str


def diagnose(
    pod: JsonObject | None, job: JsonObject | None, name: str, notes: Sequence[JsonObject] = ()
) -> Diagnosis:
    """Say what the attempt waits for, and what to do when it waits in vain.

    Args:
        pod: the attempt's pod.
        job: its Job.
        name: name of the Job.
        notes: Events of the pod, or of the Job while there is none.
    """
    if job and job.get("spec", {}).get("suspend"):
        return Diagnosis(
            "Suspended",
            f"the Job is suspended: a queue has to release it (kubectl describe job {name})",
        )
    if pod is None:
        return _without_pod(name, notes)
    return (
        _container_trouble(pod)
        or _scheduling_trouble(pod)
        or _noted_trouble(pod, notes)
        or _starting(pod)
    )


def lookup_due(pod: JsonObject | None, job: JsonObject | None, now: datetime) -> datetime | None:
    """Return from when on Events may explain the attempt better; None when its objects do."""
    if pod is None:
        if job is None or job["spec"].get("suspend"):
            return None
        return (read_time(job["metadata"]["creationTimestamp"]) or now) + LOOK_UP_AFTER
    scheduled = true_condition(pod, "PodScheduled")
    begun = any(
        "running" in (state := each.get("state", {})) or "terminated" in state
        for each in container_statuses(pod)
    )
    if node_name(pod) is None or begun or _container_trouble(pod):
        return None
    since = (scheduled or {}).get("lastTransitionTime") or pod["metadata"]["creationTimestamp"]
    return (read_time(since) or now) + LOOK_UP_AFTER


def _without_pod(name: str, notes: Sequence[JsonObject]) -> Diagnosis:
    if note := _newest_note(notes, {FAILED_CREATE}):
        return Diagnosis(
            FAILED_CREATE, f"the Job controller cannot create the pod: {note.get('note', '')}"
        )
    return Diagnosis(
        "WaitingForPod",
        "the Job controller has not made the pod yet; if this lasts, a quota or an admission "
        f"policy refuses it: kubectl get events --field-selector involvedObject.name={name}",
    )


def _noted_trouble(pod: JsonObject, notes: Sequence[JsonObject]) -> Diagnosis | None:
    note = _newest_note(notes, _NOTED_REASONS)
    if note is None:
        return None
    words: str = note.get("note", "")
    return Diagnosis(note["reason"], f"the pod cannot start on node {node_name(pod)}: {words}")


def _newest_note(
    notes: Sequence[JsonObject], reasons: frozenset[str] | set[str]
) -> JsonObject | None:
    fitting = [each for each in notes if each.get("reason") in reasons]
    return max(fitting, key=_time_of_note, default=None)


def _time_of_note(note: JsonObject) -> str:
    series: JsonObject = note.get("series") or {}
    last = series.get("lastObservedTime") or note.get("deprecatedLastTimestamp")
    return last or note.get("eventTime") or ""


def _container_trouble(pod: JsonObject) -> Diagnosis | None:
    for status in container_statuses(pod):
        name: str = status["name"]
        waiting: JsonObject = status.get("state", {}).get("waiting", {})
        reason: str = waiting.get("reason", "")
        detail: str = waiting.get("message", "") or reason
        its_name = "" if name == CONTAINER_NAME else f" {name}"
        if reason in _IMAGE_REASONS:
            image = container_spec(pod, name).get("image", "")
            return Diagnosis(
                "ImagePull",
                f"image {image}{its_name and f' of container{its_name}'} cannot be pulled: "
                f"{detail}. Check its name, and that this cluster's nodes may pull it",
            )
        if reason in _CONTAINER_REASONS:
            return Diagnosis("ContainerConfig", f"the container{its_name} cannot start: {detail}")
    return None


def _scheduling_trouble(pod: JsonObject) -> Diagnosis | None:
    conditions: list[JsonObject] = pod.get("status", {}).get("conditions", [])
    scheduled = next((item for item in conditions if item["type"] == "PodScheduled"), None)
    if scheduled is None or scheduled["status"] != "False":
        return None
    detail: str = scheduled.get("message", "no node fits")
    if scheduled.get("reason") == "SchedulingGated":
        return Diagnosis("SchedulingGated", f"the pod is held back: {detail}")
    return Diagnosis(
        "Unschedulable",
        f"no node takes the pod: {detail.rstrip('.')}. Compare the task's desiredWorkerLabels, "
        "resources and tolerations with kubectl describe nodes",
    )


def _starting(pod: JsonObject) -> Diagnosis:
    node = node_name(pod)
    if node is None:
        return Diagnosis("Scheduling", "the scheduler looks for a node")
    for status in pod.get("status", {}).get("initContainerStatuses", ()):
        name: str = status["name"]
        is_sidecar = restarts_beside_task(container_spec(pod, name))
        if "running" in status.get("state", {}) and not is_sidecar:
            return Diagnosis("Starting", f"init container {name} is running on node {node}")
    return Diagnosis("Starting", f"the container is being started on node {node}")
