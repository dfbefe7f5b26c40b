"""Desired worker labels as node affinity. Called by the pod template."""

from collections.abc import Sequence

from podhatch.api.model import JsonObject
from podhatch.api.workflow import DesiredWorkerLabel


def node_affinity(labels: Sequence[DesiredWorkerLabel]) -> JsonObject:
    """Return the pod's `affinity`: required labels must all hold, the others are weighed."""
    required = [_expression(label) for label in labels if label.required]
    preferred = [
        {"weight": label.weight, "preference": {"matchExpressions": [_expression(label)]}}
        for label in labels
        if not label.required
    ]
    terms: JsonObject = {}
    if required:
        terms["requiredDuringSchedulingIgnoredDuringExecution"] = {
            "nodeSelectorTerms": [{"matchExpressions": required}]
        }
    if preferred:
        terms["preferredDuringSchedulingIgnoredDuringExecution"] = preferred
    return {"nodeAffinity": terms}


def _expression(label: DesiredWorkerLabel) -> JsonObject:
    operator, value = _operator_and_value(label)
    return {"key": label.key, "operator": operator, "values": [value]}


def _operator_and_value(label: DesiredWorkerLabel) -> tuple[str, str]:
    """Kubernetes has In, NotIn, Gt and Lt; "or equal" becomes a bound one further out."""
    match label.comparator:
        case "Equal":
            return "In", label.value
        case "NotEqual":
            return "NotIn", label.value
        case "GreaterThan":
            return "Gt", label.value
        case "GreaterThanOrEqual":
            return "Gt", str(int(label.value) - 1)
        case "LessThan":
            return "Lt", label.value
        case "LessThanOrEqual":
            return "Lt", str(int(label.value) + 1)
