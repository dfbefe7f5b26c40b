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

    name: Annotated[str, Field(min_length=1, max_length=253, description="name of the object.")]


class Resources(WireModel):
    """The compute resources of the container."""

    requests: Annotated[
        dict[str, Annotated[str, Field(max_length=64)]],
        Field(max_length=32, description="requests such as cpu: 500m and memory: 1Gi."),
    ] = Field(default_factory=dict[str, str])
    limits: Annotated[
        dict[str, Annotated[str, Field(max_length=64)]],
        Field(max_length=32, description="limits such as memory: 1Gi and nvidia.com/gpu: '1'."),
    ] = Field(default_factory=dict[str, str])


class PodSettings(WireModel):
    """Settings of a pod."""

    resources: Annotated[Resources | None, Field(description="resources of the container.")] = None
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=50, description="nodeSelector holds labels that the node must have."),
    ] = Field(default_factory=dict[str, str])
    tolerations: Annotated[
        list[KubernetesObject],
        Field(max_length=50, description="tolerations of the pod, as in Kubernetes."),
    ] = Field(default_factory=list[JsonObject])
    service_account_name: Annotated[
        str | None,
        Field(
            max_length=253,
            description="serviceAccountName of the pod, for tasks that access the cluster "
            "themselves. A python task then reports by its termination message, which is limited "
            "to about 4000 bytes.",
        ),
    ] = None
    env: Annotated[
        list[KubernetesObject],
        Field(
            max_length=256, description="env lists variables as in Kubernetes, also from Secrets."
        ),
    ] = Field(default_factory=list[JsonObject])
    env_from: Annotated[
        list[KubernetesObject],
        Field(
            max_length=50, description="envFrom lists ConfigMaps and Secrets to use as variables."
        ),
    ] = Field(default_factory=list[JsonObject])
    volumes: Annotated[
        list[KubernetesObject],
        Field(max_length=50, description="volumes of the pod, as in Kubernetes."),
    ] = Field(default_factory=list[JsonObject])
    volume_mounts: Annotated[
        list[KubernetesObject],
        Field(max_length=50, description="volumeMounts of the container, as in Kubernetes."),
    ] = Field(default_factory=list[JsonObject])
    image_pull_secrets: Annotated[
        list[NamedObject],
        ListMap("name"),
        Field(max_length=20, description="imagePullSecrets lists Secrets in the namespace."),
    ] = Field(default_factory=list[NamedObject])
    job_labels: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(
            max_length=20,
            description="jobLabels are added to the Jobs, such as kueue.x-k8s.io/queue-name.",
        ),
    ] = Field(default_factory=dict[str, str])
    suspend: Annotated[
        bool,
        Field(description="suspend creates the Jobs suspended, for a queue to start them."),
    ] = False
    pod_template: Annotated[
        JsonObject | None,
        PreserveUnknown(),
        Field(
            description="podTemplate is merged over the pod's template (metadata, spec), for "
            "settings without a field here. Maps are merged by key, named lists by name.",
        ),
    ] = None
