"""Desired worker labels as node affinity. Called by the pod template."""

from collections.abc import Sequence

from podhatch.api.model import JsonObject
from podhatch.api.workflow import Comparator, DesiredWorkerLabel

_OPERATORS: dict[Comparator, tuple[str, int]] = {
    "Equal": ("In", 0),
    "NotEqual": ("NotIn", 0),
    "GreaterThan": ("Gt", 0),
    "GreaterThanOrEqual": ("Gt", -1),
    "LessThan": ("Lt", 0),
    "LessThanOrEqual": ("Lt", +1),
}


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
    """Kubernetes has In, NotIn, Gt and Lt; "or equal" becomes a bound one further out."""
    operator, step = _OPERATORS[label.comparator]
    value = str(int(label.value) + step) if step else label.value
    return {"key": label.key, "operator": operator, "values": [value]}
