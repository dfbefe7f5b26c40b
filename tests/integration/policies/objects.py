"""Pods that never start, and what they and others ask the API server for."""

from pathlib import Path
from uuid import uuid4

from podhatch.api.labels import SPAWN_ACCOUNT
from podhatch.api.model import JsonObject

from tests.kubectl import Kubectl, Refused, apply_all

API = "podhatch.dev/v1alpha1"


JOB = "orders-1-ship-bcdfghjklmnp-1"


POD = f"{JOB}-x7k2p"


CHILD = "orders-1-bcdfghjklmnp"


NAMESPACE = f"policies-{uuid4().hex[:8]}"


class Pods:
    """Makes pods that never start, and takes their way into the cluster."""

    def __init__(self, kubectl: Kubectl, namespace: str, folder: Path) -> None:
        self._kubectl = kubectl
        self._namespace = namespace
        self._folder = folder

    def enter_as(self, pod: str, account: str = SPAWN_ACCOUNT) -> Kubectl:
        """Make a pod and return its way into the cluster."""
        apply_all(self._kubectl, [pod_that_never_starts(self._namespace, pod, account)])
        bound = ("--bound-object-kind", "Pod", "--bound-object-name", pod)
        return self._with_token(account, pod, *bound)

    def enter_without_pod(self, account: str = SPAWN_ACCOUNT) -> Kubectl:
        """Return the way of somebody who got a token of the account itself."""
        return self._with_token(account, f"loose-{account}")

    def _with_token(self, account: str, name: str, *flags: str) -> Kubectl:
        words = ("create", "token", account, "-n", self._namespace, *flags)
        return self._kubectl.with_token(self._kubectl(*words).strip(), self._folder / name)


def service_account(namespace: str, name: str) -> JsonObject:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


def role_binding(namespace: str, name: str, *, subject_namespace: str) -> JsonObject:
    group = "rbac.authorization.k8s.io"
    return {
        "apiVersion": f"{group}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": f"{name}-of-{subject_namespace}", "namespace": namespace},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": name},
        "subjects": [{"kind": "ServiceAccount", "name": name, "namespace": subject_namespace}],
    }


def pod_that_never_starts(namespace: str, name: str, account: str) -> JsonObject:
    """A token can be bound to a pod as soon as it exists."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "serviceAccountName": account,
            "schedulingGates": [{"name": "podhatch.dev/test"}],
            "containers": [{"name": "task", "image": "python:3.13-slim"}],
        },
    }


def owner(run: str = "orders-1", **fields: object) -> JsonObject:
    return {"apiVersion": API, "kind": "WorkflowRun", "name": run, "uid": "a-uid", **fields}


def result(namespace: str, name: str, **metadata: object) -> JsonObject:
    return {
        "apiVersion": API,
        "kind": "TaskResult",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "labels": {"podhatch.dev/run": "orders-1", "podhatch.dev/task": "ship"},
            "ownerReferences": [owner()],
            **metadata,
        },
        "spec": {"run": "orders-1", "task": "ship", "attempt": 1, "outcome": "Succeeded"},
    }


def child(namespace: str, name: str = CHILD, **parent: JsonObject | str | int) -> JsonObject:
    """A run as a task of the pod POD asks for it, unless another parent is named."""
    return {
        "apiVersion": API,
        "kind": "WorkflowRun",
        "metadata": {"name": name, "namespace": namespace, "ownerReferences": [owner()]},
        "spec": {
            "workflow": "fan-out",
            "parent": {"run": "orders-1", "task": "ship", "job": JOB, "index": 0, **parent},
        },
    }


def event(namespace: str, **pushed_by: str) -> JsonObject:
    return {
        "apiVersion": API,
        "kind": "WorkflowEvent",
        "metadata": {"name": "approved", "namespace": namespace},
        "spec": {"key": "approved", **({"pushedBy": pushed_by} if pushed_by else {})},
    }


def refusal(kubectl: Kubectl, manifest: JsonObject) -> str:
    """The words in which the server refuses the object; empty when it takes it."""
    try:
        kubectl.try_create(manifest)
    except Refused as answer:
        return str(answer)
    return ""


def refused(kubectl: Kubectl, *words: str) -> str:
    """The words in which the server refuses a command; empty when it does it."""
    try:
        kubectl(*words)
    except Refused as answer:
        return str(answer)
    return ""


def user(namespace: str, account: str = SPAWN_ACCOUNT) -> str:
    return f"system:serviceaccount:{namespace}:{account}"
