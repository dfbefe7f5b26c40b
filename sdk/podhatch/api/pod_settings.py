"""As what and where a task's pod runs: set for one task, or for all tasks of a workflow.

Where both are set, a task's single values replace the workflow's, and its maps and named lists are
laid over the workflow's entry by entry.
"""

from typing import Annotated

from pydantic import Field

from podhatch.api.model import JsonObject, ListMap, PreserveUnknown, WireModel

KubernetesObject = Annotated[JsonObject, PreserveUnknown()]
"""A part of a pod, in Kubernetes' own words; the API server checks it when the Job is made."""
Text = Annotated[str, Field(max_length=4096)]


class NamedObject(WireModel):
    """A part of a pod in Kubernetes' own words, told from the others by its name."""

    name: Annotated[str, Field(min_length=1, max_length=253, description="name of the part.")]


class Resources(WireModel):
    """What the container asks of its node."""

    requests: Annotated[
        dict[str, Annotated[str, Field(max_length=64)]],
        Field(max_length=32, description="requests such as cpu: 500m and memory: 1Gi."),
    ] = Field(default_factory=dict[str, str])
    limits: Annotated[
        dict[str, Annotated[str, Field(max_length=64)]],
        Field(max_length=32, description="limits such as memory: 1Gi and nvidia.com/gpu: '1'."),
    ] = Field(default_factory=dict[str, str])


class PodSettings(WireModel):
    """As what and where a pod runs."""

    resources: Annotated[Resources | None, Field(description="resources of the container.")] = None
    node_selector: Annotated[
        dict[str, Annotated[str, Field(max_length=63)]],
        Field(max_length=50, description="nodeSelector: labels that the node must have."),
    ] = Field(default_factory=dict[str, str])
    tolerations: Annotated[
        list[KubernetesObject],
        Field(max_length=50, description="tolerations of the pod, as in Kubernetes."),
    ] = Field(default_factory=list[JsonObject])
    service_account_name: Annotated[
        str | None,
        Field(
            max_length=253,
            description="serviceAccountName of the pod, for tasks that use the cluster themselves. "
            "A python task then reports by its termination message, which holds about 4000 bytes.",
        ),
    ] = None
    env: Annotated[
        list[KubernetesObject],
        Field(max_length=256, description="env: variables, as in Kubernetes, also from Secrets."),
    ] = Field(default_factory=list[JsonObject])
    env_from: Annotated[
        list[KubernetesObject],
        Field(max_length=50, description="envFrom: whole ConfigMaps and Secrets as variables."),
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
        Field(max_length=20, description="imagePullSecrets: names of Secrets of the namespace."),
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
        Field(description="suspend: the Jobs are made suspended, for a queue to release them."),
    ] = False
    pod_template: Annotated[
        JsonObject | None,
        PreserveUnknown(),
        Field(
            description="podTemplate is laid over the pod's template (metadata, spec), for all "
            "that has no field of its own. Maps are joined, named lists by name.",
        ),
    ] = None
