"""Settings of the pods of one task, or of all tasks of a workflow.

The settings of a task are merged over those of the workflow: single values replace the workflow's,
maps and named lists are merged by entry.
"""

from typing import Annotated

from pydantic import Field

from podhatch.api.model import JsonObject, ListMap, PreserveUnknown, WireModel

KubernetesObject = Annotated[JsonObject, PreserveUnknown()]
"""A part of a pod in the Kubernetes API; the API server validates it with the Job."""
Text = Annotated[str, Field(max_length=4096)]


class NamedObject(WireModel):
    """A reference to an object by its name."""

    name: Annotated[str, Field(min_length=1, max_length=253)]
    """name of the object."""


class Resources(WireModel):
    """The compute resources of the container."""

    requests: Annotated[dict[str, Annotated[str, Field(max_length=64)]], Field(max_length=32)] = (
        Field(default_factory=dict[str, str])
    )
    """requests such as cpu: 500m and memory: 1Gi."""
    limits: Annotated[dict[str, Annotated[str, Field(max_length=64)]], Field(max_length=32)] = (
        Field(default_factory=dict[str, str])
    )
    """limits such as memory: 1Gi and nvidia.com/gpu: '1'."""


class PodSettings(WireModel):
    """Settings of a pod."""

    resources: Resources | None = None
    """resources of the container."""
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=50)
    ] = Field(default_factory=dict[str, str])
    """nodeSelector holds labels that the node must have."""
    tolerations: Annotated[list[KubernetesObject], Field(max_length=50)] = Field(
        default_factory=list[JsonObject]
    )
    """tolerations of the pod, as in Kubernetes."""
    service_account_name: Annotated[str | None, Field(max_length=253)] = None
    """serviceAccountName of the pod, for tasks that access the cluster themselves. A python task
    then reports by its termination message, which is limited to about 4000 bytes."""
    env: Annotated[list[KubernetesObject], Field(max_length=256)] = Field(
        default_factory=list[JsonObject]
    )
    """env lists variables as in Kubernetes, also from Secrets."""
    env_from: Annotated[list[KubernetesObject], Field(max_length=50)] = Field(
        default_factory=list[JsonObject]
    )
    """envFrom lists ConfigMaps and Secrets to use as variables."""
    volumes: Annotated[list[KubernetesObject], Field(max_length=50)] = Field(
        default_factory=list[JsonObject]
    )
    """volumes of the pod, as in Kubernetes."""
    volume_mounts: Annotated[list[KubernetesObject], Field(max_length=50)] = Field(
        default_factory=list[JsonObject]
    )
    """volumeMounts of the container, as in Kubernetes."""
    image_pull_secrets: Annotated[list[NamedObject], ListMap("name"), Field(max_length=20)] = Field(
        default_factory=list[NamedObject]
    )
    """imagePullSecrets lists Secrets in the namespace."""
    job_labels: Annotated[dict[str, Annotated[str, Field(max_length=63)]], Field(max_length=20)] = (
        Field(default_factory=dict[str, str])
    )
    """jobLabels are added to the Jobs, such as kueue.x-k8s.io/queue-name."""
    suspend: bool = False
    """suspend creates the Jobs suspended, for a queue to start them."""
    pod_template: Annotated[JsonObject | None, PreserveUnknown()] = None
    """podTemplate is merged over the pod's template (metadata, spec), for settings without a field
    here. Maps are merged by key, named lists by name."""
