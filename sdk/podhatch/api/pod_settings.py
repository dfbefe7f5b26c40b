"""Settings of the pods of one task, or of all tasks of a workflow.

The settings of a task are merged over those of the workflow: single values replace the workflow's,
maps and named lists are merged by entry.
"""

from typing import Annotated

from pydantic import Field

from podhatch.api.model import PRESERVE_UNKNOWN, JsonObject, WireModel, list_map

KubernetesObject = Annotated[JsonObject, PRESERVE_UNKNOWN]
"""A part of a pod in the Kubernetes API; the API server validates it with the Job."""
LabelValue = Annotated[str, Field(max_length=63)]
Quantities = Annotated[dict[str, Annotated[str, Field(max_length=64)]], Field(max_length=32)]


class NamedObject(WireModel):
    """A reference to an object by its name."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """name of the object."""


class Resources(WireModel):
    """The compute resources of the container."""

    requests: Quantities = Field(default_factory=dict[str, str])
    """requests such as cpu: 500m and memory: 1Gi."""
    limits: Quantities = Field(default_factory=dict[str, str])
    """limits such as memory: 1Gi and nvidia.com/gpu: '1'."""


class PodSettings(WireModel):
    """Settings of a pod."""

    resources: Resources | None = None
    """resources of the container."""
    node_selector: dict[str, LabelValue] = Field(default_factory=dict[str, str], max_length=50)
    """nodeSelector holds labels that the node must have."""
    tolerations: list[KubernetesObject] = Field(default_factory=list[JsonObject], max_length=50)
    """tolerations of the pod, as in Kubernetes."""
    service_account_name: Annotated[str | None, Field(max_length=253)] = None
    """serviceAccountName of the pod, for tasks that access the cluster themselves. A python task
    then reports by its termination message, which is limited to about 4000 bytes."""
    env: list[KubernetesObject] = Field(default_factory=list[JsonObject], max_length=256)
    """env lists variables as in Kubernetes, also from Secrets."""
    env_from: list[KubernetesObject] = Field(default_factory=list[JsonObject], max_length=50)
    """envFrom lists ConfigMaps and Secrets to use as variables."""
    volumes: list[KubernetesObject] = Field(default_factory=list[JsonObject], max_length=50)
    """volumes of the pod, as in Kubernetes."""
    volume_mounts: list[KubernetesObject] = Field(default_factory=list[JsonObject], max_length=50)
    """volumeMounts of the container, as in Kubernetes."""
    image_pull_secrets: Annotated[list[NamedObject], list_map("name"), Field(max_length=20)] = (
        Field(default_factory=list[NamedObject])
    )
    """imagePullSecrets lists Secrets in the namespace."""
    job_labels: dict[str, LabelValue] = Field(default_factory=dict[str, str], max_length=20)
    """jobLabels are added to the Jobs, such as kueue.x-k8s.io/queue-name."""
    suspend: bool = False
    """suspend creates the Jobs suspended, for a queue to start them."""
    pod_template: Annotated[JsonObject | None, PRESERVE_UNKNOWN] = None
    """podTemplate is merged over the pod's template (metadata, spec), for settings without a field
    here. Maps are merged by key, named lists by name."""
