"""The pod of a task: a pure function of the workflow's revision, the task and the defaults.

It holds nothing of a single run, so that a pod which waits for work and one that is started for it
are the same pod. The attempt adds its assignment.
"""

from collections.abc import Mapping

from podhatch.api import labels, pod
from podhatch.api.model import JsonObject
from podhatch.api.pod_settings import PodSettings
from podhatch.api.task import CLUSTER_ACCESS, ClusterAccess, TaskSpec
from podhatch.core.common.observed import Defaults
from podhatch.core.pod.affinity import node_affinity
from podhatch.core.pod.overlay import merged_settings, overlaid
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


def pod_template(revision: Revision, task: TaskSpec, defaults: Defaults) -> JsonObject:
    """Return the pod template of a task. Its one container is named `task`."""
    container = _python_container(revision, task, defaults) if task.python else _any_container(task)
    container |= {
        "name": CONTAINER_NAME,
        "env": [*_common_environment(revision), *container["env"]],
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
    spec = (
        _pod_spec(task, settings, account)
        | _placement(task)
        | _source_volume(revision, task, container)
    )
    template: JsonObject = {"spec": spec | {"containers": [container]}}
    template = overlaid(template, {"spec": _wanted(settings)})
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
    wire = settings.to_wire()
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
    return spec


def _placement(task: TaskSpec) -> JsonObject:
    if not task.desired_worker_labels:
        return {}
    return {"affinity": node_affinity(task.desired_worker_labels)}


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
    wanted = task.container.to_wire()
    env: list[JsonObject] = wanted.pop("env", [])
    return wanted | {"env": env}


def _common_environment(revision: Revision) -> list[JsonObject]:
    return [
        literal_variable(pod.OUTPUT, pod.OUTPUT_PATH),
        literal_variable(pod.REVISION, revision.name),
        # /tmp is the one folder that a user id unknown to the image may write.
        literal_variable("HOME", "/tmp"),
    ]


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
