"""Why is this attempt not running? A pure function of its pod, for the task's reason and message.

Called for every attempt whose code has not started.
"""

from dataclasses import dataclass

from podhatch.api.model import JsonObject

from podhatch_operator.core.pods import container_state, node_name

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
    }
)


PROBLEM_REASONS = frozenset({"ImagePull", "ContainerConfig", "Unschedulable", "Refused"})
"""Reasons that waiting alone will hardly mend; each is worth an Event."""


@dataclass(frozen=True)
class Diagnosis:
    """Why an attempt waits."""

    reason: str
    message: str


def diagnose(pod: JsonObject | None, job: JsonObject | None, name: str) -> Diagnosis:
    """Say what the attempt waits for, and what to do when it waits in vain."""
    if job and job.get("spec", {}).get("suspend"):
        return Diagnosis(
            "Suspended",
            f"the Job is suspended: a queue has to release it (kubectl describe job {name})",
        )
    if pod is None:
        return Diagnosis(
            "WaitingForPod",
            "the Job controller has not made the pod yet; if this lasts, a quota or an admission "
            f"policy refuses it: kubectl describe job {name}",
        )
    return _container_trouble(pod) or _scheduling_trouble(pod) or _starting(pod)


def _container_trouble(pod: JsonObject) -> Diagnosis | None:
    waiting: JsonObject = container_state(pod).get("waiting", {})
    reason: str = waiting.get("reason", "")
    detail: str = waiting.get("message", "") or reason
    if reason in _IMAGE_REASONS:
        image = pod["spec"]["containers"][0]["image"]
        return Diagnosis(
            "ImagePull",
            f"image {image} cannot be pulled: {detail}. "
            "Check its name, and that this cluster's nodes may pull it",
        )
    if reason in _CONTAINER_REASONS:
        return Diagnosis("ContainerConfig", f"the container cannot start: {detail}")
    return None


def _scheduling_trouble(pod: JsonObject) -> Diagnosis | None:
    conditions: list[JsonObject] = pod.get("status", {}).get("conditions", [])
    scheduled = next((item for item in conditions if item["type"] == "PodScheduled"), None)
    if scheduled is None or scheduled["status"] != "False":
        return None
    detail = scheduled.get("message", "no node fits")
    if scheduled.get("reason") == "SchedulingGated":
        return Diagnosis("SchedulingGated", f"the pod is held back: {detail}")
    return Diagnosis(
        "Unschedulable",
        f"no node takes the pod: {detail}. "
        "Compare the task's desiredWorkerLabels with kubectl get nodes --show-labels",
    )


def _starting(pod: JsonObject) -> Diagnosis:
    node = node_name(pod)
    if node is None:
        return Diagnosis("Scheduling", "the scheduler looks for a node")
    return Diagnosis("Starting", f"the container is being started on node {node}")
