"""What the core decides. The reconciler carries it out: children, then status, then events."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from podhatch.api.model import JsonObject
from podhatch.core.expressions.evaluation import Evaluation


@dataclass(frozen=True)
class Child:
    """An object by kind and name, in the namespace of what it belongs to."""

    kind: Literal["Job", "ConfigMap", "WorkflowRun", "ControllerRevision", "WorkflowEvent"]
    name: str


@dataclass(frozen=True)
class Extension:
    """A Job, and its new `activeDeadlineSeconds`."""

    job: str
    seconds: int


@dataclass(frozen=True)
class PodDeadline:
    """A pod, and the `activeDeadlineSeconds` by which the kubelet ends it and keeps its logs."""

    pod: str
    seconds: int


@dataclass(frozen=True)
class Plan:
    """The steps from what is to what should be."""

    create: tuple[JsonObject, ...] = ()
    """Whole manifests, in order. AlreadyExists is success."""
    extend: tuple[Extension, ...] = ()
    """Jobs whose deadline moves. NotFound is success."""
    end: tuple[PodDeadline, ...] = ()
    """Pods that have to end. NotFound is success."""
    delete: tuple[Child, ...] = ()
    """NotFound is success."""
    status: JsonObject | None = None
    """The whole new status; None when the stored one is right."""
    urgent: bool = False
    """False: the status may wait a moment, since more is likely to follow."""
    events: tuple[JsonObject, ...] = ()
    """Kubernetes Events to post once the status is written. AlreadyExists is success."""
    look_up: tuple[str, ...] = ()
    """Uids of Jobs and pods whose Kubernetes Events may say why a pod does not start."""
    requeue_at: datetime | None = None
    """When to plan again although nothing changed."""
    evaluate: tuple[Evaluation, ...] = ()
    """What has to be evaluated before anything can be decided; then nothing else is planned."""
