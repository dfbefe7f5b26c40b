"""Reading pods and Jobs: the few facts the core needs, out of the raw objects."""

from collections.abc import Sequence
from datetime import datetime

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.pod import message_room

CONTAINER_NAME = "task"


def newest(pods: Sequence[JsonObject]) -> JsonObject | None:
    """Return the pod that was made last."""
    return max(pods, key=lambda pod: str(pod["metadata"]["creationTimestamp"]), default=None)


def controller_uid(child: JsonObject) -> str | None:
    """Return the uid of the object that controls this one: there is at most one."""
    owners: list[JsonObject] = child["metadata"].get("ownerReferences", [])
    return next((owner["uid"] for owner in owners if owner.get("controller")), None)


def is_controlled_by(child: JsonObject, owner: JsonObject) -> bool:
    """Return whether this very owner controls the child, and not an earlier one of its name."""
    return controller_uid(child) == owner["metadata"]["uid"]


def container_state(pod: JsonObject) -> JsonObject:
    """Return the state of the task's container: `waiting`, `running` or `terminated`, or empty."""
    statuses: list[JsonObject] = pod.get("status", {}).get("containerStatuses", [])
    states: list[JsonObject] = [
        item.get("state", {}) for item in statuses if item["name"] == CONTAINER_NAME
    ]
    return states[0] if states else {}


def message_bytes(pod_spec: JsonObject) -> int:
    """Return how many bytes the kubelet keeps of each container's termination message."""
    lists = ("containers", "initContainers", "ephemeralContainers")
    return message_room(sum(len(pod_spec.get(each) or ()) for each in lists))


def true_condition(raw: JsonObject, type: str) -> JsonObject | None:
    """Return the object's condition of this type if it is True."""
    conditions: list[JsonObject] = raw.get("status", {}).get("conditions", [])
    return next(
        (item for item in conditions if item["type"] == type and item["status"] == "True"), None
    )


def read_time(text: str | None) -> datetime | None:
    """Return a time as Kubernetes writes it."""
    return datetime.fromisoformat(text) if text else None


def attempt_number(job: JsonObject) -> int:
    """Return which attempt a Job of ours is."""
    return int(job["metadata"]["labels"][labels.ATTEMPT])


def node_name(pod: JsonObject | None) -> str | None:
    """Return the node the pod was bound to."""
    return pod["spec"].get("nodeName") if pod else None
