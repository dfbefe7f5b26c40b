"""As what and where a task's pod runs, as users write it: `pod=Pod(...)`.

Standard library only. `podhatch.api.pod_settings` checks it when the workflow is written out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

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
