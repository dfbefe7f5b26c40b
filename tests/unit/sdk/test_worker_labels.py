"""Desired worker labels of a task."""

from typing import Any

import pytest
from podhatch import (
    DesiredWorkerLabel,
    WorkerLabelComparator,
)
from podhatch.definitions.options.pod import labels_of

NOTHING: Any = None


GREATER = WorkerLabelComparator.GREATER_THAN


@pytest.mark.parametrize(
    "label",
    [
        DesiredWorkerLabel(key="kubernetes.io/arch", value="arm64", weight=100),
        DesiredWorkerLabel(key="x", value="", weight=1),
        DesiredWorkerLabel(key="memory", value=-1, comparator=GREATER),
        DesiredWorkerLabel(key="memory", value="64", comparator=GREATER),
    ],
)
def test_a_label_that_nodes_may_have_is_kept(label: DesiredWorkerLabel) -> None:
    assert labels_of("labels", [label]) == (label,)


@pytest.mark.parametrize(
    ("label", "problem"),
    [
        (DesiredWorkerLabel(value="x"), "label '': the key is not"),
        (DesiredWorkerLabel(key="a b", value="x"), "label 'a b': the key is not"),
        (DesiredWorkerLabel(key="a", value="x" * 64), "is not the value of a Kubernetes label"),
        (
            DesiredWorkerLabel(key="a", value="x", weight=101),
            "weight 101 is not a whole number from",
        ),
        (DesiredWorkerLabel(key="a", value="x", weight=0), "weight 0 is not a whole number"),
        ("gpu", "expected a list of DesiredWorkerLabel or a dict"),
        (DesiredWorkerLabel(key=NOTHING, value="x"), "label None: the key is not"),
        (DesiredWorkerLabel(key="a", value=NOTHING), "value: expected a string or a whole"),
        (
            DesiredWorkerLabel(key="a", value="x", comparator=NOTHING),
            "comparator: expected a Worker",
        ),
        (
            DesiredWorkerLabel(key="a", value="1.5", comparator=GREATER),
            "label 'a': GREATER_THAN needs a whole number, not '1.5'",
        ),
    ],
)
def test_a_label_that_matches_no_node_is_refused(label: DesiredWorkerLabel, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        labels_of("labels", [label])


def test_a_label_may_not_have_two_keys() -> None:
    with pytest.raises(ValueError, match=r"^labels: label 'a': its own key says 'b'"):
        labels_of("labels", {"a": DesiredWorkerLabel(key="b", value="x")})
