"""The pod of a task: a pure function of the workflow's revision, the task and the defaults.

It holds nothing of a single run, so that a pod which waits for work and one that is started for it
are the same pod. The attempt adds its assignment.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from podhatch.api import labels, pod
from podhatch.api.model import JsonObject
from podhatch.api.pod_settings import PodSettings
from podhatch.api.task import (
    CLUSTER_ACCESS,
    ClusterAccess,
    Comparator,
    NodeLabel,
    TaskSpec,
)
from podhatch.api.workflow import Sticky
from podhatch.core.common.observed import Defaults
from podhatch.core.pod.pods import CONTAINER_NAME
from podhatch.core.workflow.revision import Revision

ACCOUNTS: Mapping[ClusterAccess, str | None] = {
    "none": None,
    "report": labels.REPORT_ACCOUNT,
    "spawn": labels.SPAWN_ACCOUNT,
}
DEFAULT_USER = 65532
TERMINATION_GRACE_SECONDS = 30
_SOURCE_VOLUME = "source"
_NO_SETTINGS = PodSettings()


def pod_template(revision: Revision, task: TaskSpec, defaults: Defaults) -> JsonObject:
    """Return the pod template of a task. Its one container is named `task`."""
    container = _python_container(revision, task, defaults) if task.python else _any_container(task)
    container |= {
        "name": CONTAINER_NAME,
        "env": [
            literal_variable(pod.OUTPUT, pod.OUTPUT_PATH),
            literal_variable(pod.REVISION, revision.name),
            # /tmp is the one folder that a user id unknown to the image may write.
            literal_variable("HOME", "/tmp"),
            *container["env"],
        ],
        "terminationMessagePath": pod.OUTPUT_PATH,
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if revision.spec.image_pull_policy:
        container["imagePullPolicy"] = revision.spec.image_pull_policy
    settings = merged_settings(revision.spec.pod, task.pod)
    account = account_of(task, settings, defaults)
    spec = _pod_spec(task, settings, account) | _source_volume(revision, task, container)
    template: JsonObject = {"spec": spec | {"containers": [container]}}
    if wanted := _wanted(settings):
        template = overlaid(template, {"spec": wanted})
    template = overlaid(template, settings.pod_template or {})
    for kind in ("initContainers", "containers"):
        for each in template["spec"].get(kind, ()):
            each.setdefault("terminationMessagePolicy", "FallbackToLogsOnError")
    return template


def account_of(task: TaskSpec, settings: PodSettings, defaults: Defaults) -> str | None:
    """Return our account that the task's pod has: none where it needs none, or has the user's.

    A run that started before the maximum was lowered goes on with what is allowed now.
    """
    if task.python is None or settings.service_account_name is not None:
        return None
    wanted, allowed = map(CLUSTER_ACCESS.index, (task.cluster_access, defaults.max_cluster_access))
    return ACCOUNTS[CLUSTER_ACCESS[min(wanted, allowed)]]


def extension_limit(task: TaskSpec, defaults: Defaults) -> float:
    """Return by how much an attempt may move its own time limit, in all."""
    most = float(defaults.max_extension_seconds)
    return most if task.max_extension_seconds is None else min(task.max_extension_seconds, most)


def _wanted(settings: PodSettings) -> JsonObject:
    """Return the part of a pod's spec that the settings ask for."""
    if not (wire := settings.to_wire()):
        return {}
    container = {"name": CONTAINER_NAME} | {
        name: wire[name] for name in ("resources", "env", "envFrom", "volumeMounts") if name in wire
    }
    of_pod = ("nodeSelector", "tolerations", "serviceAccountName", "volumes", "imagePullSecrets")
    return {name: wire[name] for name in of_pod if name in wire} | {"containers": [container]}


def _pod_spec(task: TaskSpec, settings: PodSettings, account: str | None) -> JsonObject:
    user = DEFAULT_USER if task.run_as_user is None else task.run_as_user
    spec: JsonObject = {
        "restartPolicy": "Never",
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": TERMINATION_GRACE_SECONDS,
        "automountServiceAccountToken": bool(account or settings.service_account_name),
        "securityContext": {
            "runAsNonRoot": user != 0,
            "runAsUser": user,
            "runAsGroup": user,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
    if account:
        spec["serviceAccountName"] = account
    if task.desired_worker_labels:
        spec["affinity"] = node_affinity(task.desired_worker_labels)
    return spec


def _python_container(revision: Revision, task: TaskSpec, defaults: Defaults) -> JsonObject:
    image = task.image or revision.spec.image
    environment = {
        pod.WORKFLOW: revision.true_name,
        pod.PYTHON: task.python or "",
        pod.EXECUTION_TIMEOUT: f"{task.execution_timeout_seconds:g}",
        pod.MAX_EXTENSION: f"{extension_limit(task, defaults):g}",
    }
    if revision.spec.lifespan:
        environment[pod.LIFESPAN] = revision.spec.lifespan
    if revision.spec.source:
        environment[pod.SOURCE] = f"{pod.SOURCE_DIRECTORY}/{pod.SOURCE_KEY}"
        environment[pod.SOURCE_NAME] = revision.spec.source.config_map
    container: JsonObject = {
        "image": image or defaults.runner_image,
        "command": ["python", "-m", "podhatch.runner"],
        "env": [literal_variable(name, value) for name, value in environment.items()],
    }
    if image is None:
        container["imagePullPolicy"] = defaults.runner_pull_policy
    return container


def _any_container(task: TaskSpec) -> JsonObject:
    assert task.container is not None
    container: JsonObject = {"env": []}
    return container | task.container.to_wire()


def _source_volume(revision: Revision, task: TaskSpec, container: JsonObject) -> JsonObject:
    if not (task.python and revision.spec.source):
        return {}
    container["volumeMounts"] = [
        {"name": _SOURCE_VOLUME, "mountPath": pod.SOURCE_DIRECTORY, "readOnly": True}
    ]
    config_map = {"name": revision.spec.source.config_map}
    return {"volumes": [{"name": _SOURCE_VOLUME, "configMap": config_map}]}


def literal_variable(name: str, value: str) -> JsonObject:
    """Return a variable that arrives as it is: Kubernetes expands `$(X)` unless `$` is doubled."""
    return {"name": name, "value": value.replace("$", "$$")}


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


def node_affinity(labels: Sequence[NodeLabel]) -> JsonObject:
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


def _expression(label: NodeLabel) -> JsonObject:
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


def merged_settings(workflow: PodSettings | None, task: PodSettings | None) -> PodSettings:
    """Return the settings that count for a task."""
    if workflow is None or task is None:
        return workflow or task or _NO_SETTINGS
    return PodSettings.model_validate(overlaid(workflow.to_wire(), task.to_wire()))


def overlaid(lower: JsonObject, upper: JsonObject) -> JsonObject:
    """Return `lower` with `upper` laid over it; neither is changed."""
    return lower | {name: _laid_over(lower.get(name), value) for name, value in upper.items()}


def _laid_over(lower: Any, upper: Any) -> Any:
    if isinstance(lower, dict) and isinstance(upper, dict):
        return overlaid(cast("JsonObject", lower), cast("JsonObject", upper))
    below, above = _named(lower), _named(upper)
    return _by_name(below, above) if below and above else upper


def _named(value: Any) -> list[JsonObject]:
    """Return the list, if it is one of entries with names, of which no two are the same."""
    if not isinstance(value, list):
        return []
    items = cast("list[Any]", value)
    objects = [cast("JsonObject", item) for item in items if isinstance(item, dict)]
    names = {item.get("name") for item in objects} - {None}
    return objects if len(names) == len(items) else []


def _by_name(lower: Sequence[JsonObject], upper: Sequence[JsonObject]) -> list[JsonObject]:
    above = {item["name"]: item for item in upper}
    joined = [overlaid(item, above.pop(item["name"], {})) for item in lower]
    return [*joined, *above.values()]
