"""Desired worker labels become node affinity."""

import pytest
from podhatch.api.task import NodeLabel
from podhatch.core.pod.template import node_affinity


@pytest.mark.parametrize(
    ("comparator", "operator", "value"),
    [
        ("Equal", "In", "7"),
        ("NotEqual", "NotIn", "7"),
        ("GreaterThan", "Gt", "7"),
        ("GreaterThanOrEqual", "Gt", "6"),
        ("LessThan", "Lt", "7"),
        ("LessThanOrEqual", "Lt", "8"),
    ],
)
def test_comparators_become_node_expressions(comparator: str, operator: str, value: str) -> None:
    raw = {"key": "size", "value": "7", "comparator": comparator}
    wish = NodeLabel.model_validate({**raw, "weight": 40})
    must = NodeLabel.model_validate({**raw, "required": True})
    expression = {"key": "size", "operator": operator, "values": [value]}
    assert node_affinity([wish, must]) == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [expression]}]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 40, "preference": {"matchExpressions": [expression]}}
            ],
        }
    }


def test_required_and_wished_labels_stand_alone_too() -> None:
    must = NodeLabel.model_validate({"key": "k", "value": "v", "required": True})
    wish = NodeLabel.model_validate({"key": "k", "value": "v"})
    assert list(node_affinity([must])["nodeAffinity"]) == [
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert list(node_affinity([wish])["nodeAffinity"]) == [
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
