"""Wishes about the node a task runs on: `desired_worker_labels`, as Hatchet spells it.

A worker here is a node of the cluster, and its labels are the node's.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import TypeAlias


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
    """A label that the task's node should have, or must have when it is required.

    Attributes:
        key: Key of the node's label. In a dict of labels the dict's key stands for it.
        value: Value to compare with; the order comparators need a whole number.
        required: Nodes that do not match are out; else they are only less liked.
        weight: 1 to 100, of this wish against the task's others; 100 by default.
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


def labels_of(desired: DesiredWorkerLabels) -> tuple[DesiredWorkerLabel, ...]:
    """Return the labels, however they were written, checked.

    Raises:
        ValueError: A label can match no node; the text names it.
    """
    if isinstance(desired, Mapping):
        labels = [_keyed(key, value) for key, value in desired.items()]
    else:
        labels = list(desired)
    for label in labels:
        if not isinstance(label, DesiredWorkerLabel):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"{label!r} is no DesiredWorkerLabel: list those, or write a dict from key to value"
            )
        if problem := _problem(label):
            raise ValueError(f"label {label.key!r}: {problem}")
    return tuple(labels)


def _keyed(key: str, value: DesiredWorkerLabel | str | int) -> DesiredWorkerLabel:
    if not isinstance(value, DesiredWorkerLabel):
        return DesiredWorkerLabel(key=key, value=value)
    if value.key not in ("", key):
        raise ValueError(f"label {key!r}: its own key says {value.key!r}")
    return replace(value, key=key)


def _problem(label: DesiredWorkerLabel) -> str:
    if not isinstance(label.key, str) or not _KEY.fullmatch(label.key):  # pyright: ignore[reportUnnecessaryIsInstance]
        return "the key is not the key of a Kubernetes label"
    if not isinstance(label.value, (str, int)):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"value {label.value!r} is neither a text nor a whole number"
    if label.weight is not None and label.weight not in range(1, 101):
        return f"weight {label.weight!r} is not a whole number from 1 to 100"
    if not isinstance(label.comparator, WorkerLabelComparator):  # pyright: ignore[reportUnnecessaryIsInstance]
        return f"comparator {label.comparator!r} is no WorkerLabelComparator"
    if label.comparator in _UNORDERED:
        fits = _VALUE.fullmatch(str(label.value))
        return "" if fits else f"value {label.value!r} is not the value of a Kubernetes label"
    fits = re.fullmatch(r"-?\d{1,18}", str(label.value))
    return "" if fits else f"{label.comparator.name} needs a whole number, not {label.value!r}"
