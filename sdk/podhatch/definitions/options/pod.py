"""The settings of a task's pod, and the labels of the node that it wants.

`podhatch.api.pod_settings` checks a `Pod` when the workflow is written out. Where Hatchet says
worker, here it is a node of the cluster, and its labels are the node's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, TypeAlias

from podhatch.values.parsing import listed, unexpected

KubernetesObject: TypeAlias = Mapping[str, Any]
"""A part of a pod in Kubernetes' own words."""


@dataclass(frozen=True, kw_only=True)
class Pod:
    """Settings of one task's pod, or of all pods of a workflow.

    Where both are set, a task's single values replace the workflow's, and its maps and named lists
    are laid over the workflow's entry by entry.

    Attributes:
        requests: What the container asks for, such as `{"cpu": "500m", "memory": "1Gi"}`.
        limits: What it may use at most, such as `{"memory": "1Gi", "nvidia.com/gpu": "1"}`.
        node_selector: Labels that the node must have.
        tolerations: Tolerations, as in Kubernetes.
        service_account_name: For tasks that use the cluster themselves. Such a task reports by its
            termination message, which holds about 4000 bytes.
        env: Variables: a text, or where it comes from, such as
            `{"secretKeyRef": {"name": "shop", "key": "token"}}`.
        env_from: Whole ConfigMaps and Secrets as variables, as in Kubernetes.
        volumes: Volumes, as in Kubernetes.
        volume_mounts: Volume mounts of the container, as in Kubernetes.
        image_pull_secrets: Names of Secrets of the namespace.
        job_labels: Labels for the Job, such as `kueue.x-k8s.io/queue-name`.
        suspend: The Job is made suspended, for a queue to release it.
        pod_template: Laid over the pod's template (metadata, spec), for all the rest.
    """

    requests: Mapping[str, str] = field(default_factory=dict[str, str])
    limits: Mapping[str, str] = field(default_factory=dict[str, str])
    node_selector: Mapping[str, str] = field(default_factory=dict[str, str])
    tolerations: Sequence[KubernetesObject] = ()
    service_account_name: str | None = None
    env: Mapping[str, str | KubernetesObject] = field(
        default_factory=dict[str, str | KubernetesObject]
    )
    env_from: Sequence[KubernetesObject] = ()
    volumes: Sequence[KubernetesObject] = ()
    volume_mounts: Sequence[KubernetesObject] = ()
    image_pull_secrets: Sequence[str] = ()
    job_labels: Mapping[str, str] = field(default_factory=dict[str, str])
    suspend: bool = False
    pod_template: KubernetesObject | None = None


class WorkerLabelComparator(IntEnum):
    """How the node's value, on the left, is compared with the desired one."""

    EQUAL = 0
    NOT_EQUAL = 1
    GREATER_THAN = 2
    GREATER_THAN_OR_EQUAL = 3
    LESS_THAN = 4
    LESS_THAN_OR_EQUAL = 5


@dataclass(frozen=True, kw_only=True)
class DesiredWorkerLabel:
    """A label that the task's node should have, or must have if it is required.

    Attributes:
        key: Key of the node's label. In a dict of labels the dict's key stands for it.
        value: Value to compare with; the order comparators need a whole number.
        required: Nodes that do not match are excluded; otherwise they get a lower score.
        weight: 1 to 100, relative to the task's other labels; 100 by default.
        comparator: How the two values are compared.
    """

    key: str = ""
    value: str | int
    required: bool = False
    weight: int | None = None
    comparator: WorkerLabelComparator = WorkerLabelComparator.EQUAL


DesiredWorkerLabels: TypeAlias = (
    Sequence[DesiredWorkerLabel] | Mapping[str, DesiredWorkerLabel | str | int]
)

_KEY = re.compile(r"([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?")
_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")
_UNORDERED = (WorkerLabelComparator.EQUAL, WorkerLabelComparator.NOT_EQUAL)


def labels_of(place: str, desired: DesiredWorkerLabels) -> tuple[DesiredWorkerLabel, ...]:
    """Return the labels, each checked, however they were written; `place` is named in errors."""
    if isinstance(desired, Mapping):
        labels = [_keyed(place, key, value) for key, value in desired.items()]
    else:
        labels = listed(place, desired)
    for label in labels:
        if not isinstance(label, DesiredWorkerLabel):  # pyright: ignore[reportUnnecessaryIsInstance]
            expected = "a list of DesiredWorkerLabel or a dict from key to value"
            raise unexpected(place, expected, label)
        if problem := _problem(label):
            raise ValueError(f"{place}: label {label.key!r}: {problem}")
    return tuple(labels)


def _keyed(place: str, key: str, value: DesiredWorkerLabel | str | int) -> DesiredWorkerLabel:
    if not isinstance(value, DesiredWorkerLabel):
        return DesiredWorkerLabel(key=key, value=value)
    if value.key not in ("", key):
        raise ValueError(f"{place}: label {key!r}: its own key says {value.key!r}")
    return replace(value, key=key)


def _problem(label: DesiredWorkerLabel) -> str:
    if not isinstance(label.key, str) or not _KEY.fullmatch(label.key):  # pyright: ignore[reportUnnecessaryIsInstance]
        return "the key is not the key of a Kubernetes label"
    if not isinstance(label.value, (str, int)):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"value: expected a string or a whole number, got {label.value!r}"
    if label.weight is not None and label.weight not in range(1, 101):
        return f"weight {label.weight!r} is not a whole number from 1 to 100"
    if not isinstance(label.comparator, WorkerLabelComparator):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"comparator: expected a WorkerLabelComparator, got {label.comparator!r}"
    if label.comparator in _UNORDERED:
        fits = _VALUE.fullmatch(str(label.value))
        return "" if fits else f"value {label.value!r} is not the value of a Kubernetes label"
    fits = re.fullmatch(r"-?\d{1,18}", str(label.value))
    return "" if fits else f"{label.comparator.name} needs a whole number, not {label.value!r}"
