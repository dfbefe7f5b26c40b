"""Reading pods and Jobs: the few facts the core needs, out of the raw objects."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from podhatch.api.model import JsonObject, within_reach
from podhatch.api.pod import message_room

CONTAINER_NAME = "task"
_POD_COUNTERS = ("active", "terminating", "ready", "failed", "succeeded")


def newest(pods: Sequence[JsonObject]) -> JsonObject | None:
    """Return the pod that was made last."""
    return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def controller_uid(child: JsonObject) -> str | None:
    """Return the uid of the object that controls this one: there is at most one."""
    for owner in child["metadata"].get("ownerReferences", ()):
        if owner.get("controller"):
            return owner["uid"]
    return None


def is_controlled_by(child: JsonObject, owner: JsonObject) -> bool:
    """Return whether this very owner controls the child, and not an earlier one of its name."""
    return controller_uid(child) == owner["metadata"]["uid"]


def container_state(pod: JsonObject) -> JsonObject:
    """Return the state of the task's container: `waiting`, `running` or `terminated`, or empty."""
    return _task_status(pod).get("state", {})


def has_started(pod: JsonObject) -> bool:
    """Return whether the task's container has ever run."""
    status = _task_status(pod)
    state: JsonObject = status.get("state", {})
    return "running" in state or "terminated" in state or status.get("restartCount", 0) > 0


def had_a_pod(job: JsonObject) -> bool:
    """Return whether the Job controller has seen a pod of this Job."""
    status: JsonObject = job.get("status", {})
    return any(status.get(counter) for counter in _POD_COUNTERS)


def container_statuses(pod: JsonObject) -> Iterator[JsonObject]:
    """Yield the status of each container, in the order in which they start."""
    status: JsonObject = pod.get("status", {})
    yield from status.get("initContainerStatuses", ())
    yield from status.get("containerStatuses", ())


def container_spec(pod: JsonObject, name: str) -> JsonObject:
    """Return a container of the pod's spec; empty when the spec does not name it."""
    spec: JsonObject = pod["spec"]
    containers = [*spec.get("initContainers", ()), *spec["containers"]]
    found: list[JsonObject] = [each for each in containers if each["name"] == name]
    return found[0] if found else {}


def restarts_beside_task(container: JsonObject) -> bool:
    """Return whether an init container is a native sidecar, which ends with the task."""
    return container.get("restartPolicy") == "Always"


def outlives_task(pod: JsonObject) -> bool:
    """Return whether a plain container beside the task's keeps a pod that could end."""
    statuses: list[JsonObject] = pod.get("status", {}).get("containerStatuses", [])
    return "terminated" in container_state(pod) and any(
        "terminated" not in each.get("state", {}) for each in statuses
    )


def deletion_asked_at(pod: JsonObject) -> datetime | None:
    """Return when the pod's deletion was asked for; its deletionTimestamp is its last moment."""
    metadata: JsonObject = pod["metadata"]
    last_moment = read_time(metadata.get("deletionTimestamp"))
    try:
        grace = timedelta(seconds=metadata.get("deletionGracePeriodSeconds", 0))
        return last_moment - grace if last_moment else None
    except OverflowError:  # somebody asked for a grace of thousands of years
        return last_moment


def message_bytes(pod_spec: JsonObject) -> int:
    """Return how many bytes the kubelet keeps of each container's termination message."""
    lists = ("containers", "initContainers", "ephemeralContainers")
    return message_room(sum(len(pod_spec.get(each) or ()) for each in lists))


def true_condition(raw: JsonObject, type: str) -> JsonObject | None:
    """Return the object's condition of this type if it is True."""
    conditions: list[JsonObject] = raw.get("status", {}).get("conditions", ())
    for each in conditions:
        if each["type"] == type and each["status"] == "True":
            return each
    return None


def has_job_ended(job: JsonObject) -> bool:
    """Return whether the Job says how it has ended, which is once all its pods have."""
    return bool(true_condition(job, "Complete") or true_condition(job, "Failed"))


def read_time(text: str | None) -> datetime | None:
    """Return a time as Kubernetes writes it; None if there is none with which one can compute."""
    try:
        moment = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return moment if moment and within_reach(moment) == moment else None


def node_name(pod: JsonObject | None) -> str | None:
    """Return the node the pod was bound to."""
    return pod["spec"].get("nodeName") if pod else None


def _task_status(pod: JsonObject) -> JsonObject:
    statuses: list[JsonObject] = pod.get("status", {}).get("containerStatuses", [])
    found = [item for item in statuses if item["name"] == CONTAINER_NAME]
    return found[0] if found else {}
