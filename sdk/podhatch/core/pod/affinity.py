"""Desired worker labels as node affinity. Called by the pod template."""

from collections.abc import Sequence

from podhatch.api.model import JsonObject
from podhatch.api.task import Comparator, DesiredWorkerLabel
from podhatch.api.workflow import Sticky

_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
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
        terms[_REQUIRED] = {"nodeSelectorTerms": [{"matchExpressions": required}]}
    if preferred:
        terms[_PREFERRED] = preferred
    return {"nodeAffinity": terms}


def _expression(label: DesiredWorkerLabel) -> JsonObject:
    """Kubernetes has In, NotIn, Gt and Lt; "or equal" becomes a bound one further out."""
    operator, step = _OPERATORS[label.comparator]
    value = str(int(label.value) + step) if step else label.value
    return {"key": label.key, "operator": operator, "values": [value]}


def stay_on(pod_spec: JsonObject, node: str, sticky: Sticky) -> None:
    """Have the pod prefer, or need, the node that its run began on."""
    here = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    node_terms: JsonObject = pod_spec.setdefault("affinity", {}).setdefault("nodeAffinity", {})
    if sticky == "Soft":
        wish = {"weight": 100, "preference": here}
        node_terms.setdefault(_PREFERRED, []).append(wish)
        return
    required: JsonObject = node_terms.setdefault(_REQUIRED, {})
    terms: list[JsonObject] = required.get("nodeSelectorTerms") or [{}]
    required["nodeSelectorTerms"] = [term | here for term in terms]
