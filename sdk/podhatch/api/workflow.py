"""The Workflow object: what to run. Written by users, the SDK and Helm; never by the operator.

The operator reads it, pins each generation as a ControllerRevision, and writes its status.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.event_filter import EventKeyPattern, FilterRule
from podhatch.api.model import (
    AdditionalMetadata,
    ApiObject,
    CheckedStatus,
    JsonObject,
    ListMap,
    ListSet,
    PreserveUnknown,
    Rule,
    WireModel,
)
from podhatch.api.names import MAX_LABEL_VALUE
from podhatch.api.pod_settings import PodSettings
from podhatch.api.task import MAX_TASKS, HookSpec, Priority, TaskSpec

PullPolicy = Literal["Always", "IfNotPresent", "Never"]
Sticky = Literal["Soft", "Hard"]


class Source(WireModel):
    """The user's source tree, shipped beside the workflow for development."""

    config_map: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            description="configMap that holds the tree as source.zip; new content has a new name.",
        ),
    ]


class WorkflowSpec(WireModel):
    """A directed acyclic graph of tasks, and what they share."""

    name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=253,
            description="name as the author wrote it, with capitals, spaces and dots; by default "
            "metadata.name.",
        ),
    ] = None
    description: Annotated[
        str | None,
        Field(max_length=4096, description="description for people."),
    ] = None
    version: Annotated[
        str | None,
        Field(max_length=256, description="version is a label the author gives."),
    ] = None
    image: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            description="image of the python tasks; by default the operator's stock runner image.",
        ),
    ] = None
    image_pull_policy: Annotated[
        PullPolicy | None,
        Field(description="imagePullPolicy of all tasks; by default Kubernetes' own."),
    ] = None
    source: Annotated[
        Source | None,
        Field(description="source tree of the python tasks, for development."),
    ] = None
    input_schema: Annotated[
        JsonObject | None,
        PreserveUnknown(),
        Field(
            description="inputSchema is a JSON Schema; a run with other input fails at once.",
        ),
    ] = None
    tasks: Annotated[
        list[TaskSpec],
        ListMap("name"),
        Field(
            min_length=1,
            max_length=MAX_TASKS,
            description="tasks of the workflow, in any order.",
        ),
    ]
    on_failure_task: Annotated[
        HookSpec | None,
        Field(description="onFailureTask runs as soon as a task has failed for good."),
    ] = None
    on_success_task: Annotated[
        HookSpec | None,
        Field(description="onSuccessTask runs after all others, if none failed."),
    ] = None
    on_events: Annotated[
        list[EventKeyPattern],
        ListSet(),
        Field(
            max_length=64,
            description="onEvents: keys of the events that start a run; * stands for any text.",
        ),
    ] = Field(default_factory=list[str])
    default_filters: Annotated[
        list[FilterRule],
        Field(
            max_length=64,
            description="defaultFilters: which of these events start a run. Objects of the kind "
            "EventFilter may add more.",
        ),
    ] = Field(default_factory=list[FilterRule])
    on_crons: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]],
        ListSet(),
        Field(
            max_length=32,
            description="onCrons: cron expressions, in UTC, each of which becomes a CronWorkflow.",
        ),
    ] = Field(default_factory=list[str])
    cron_input: Annotated[
        JsonObject | None,
        PreserveUnknown(),
        Field(description="cronInput is the input of the runs that onCrons start."),
    ] = None
    default_additional_metadata: Annotated[
        AdditionalMetadata,
        Field(
            description="defaultAdditionalMetadata of every run, under what the run says itself."
        ),
    ] = Field(default_factory=dict[str, str])
    default_priority: Annotated[
        Priority | None,
        Field(
            description="defaultPriority 1 (low) to 3 (high) of runs that have none of their own."
        ),
    ] = None
    lifespan: Annotated[
        str | None,
        Field(
            min_length=3,
            max_length=512,
            pattern=r"^[^:]+:[^:]+$",
            description="lifespan is an async generator function, named as a python task: each pod "
            "of a python task runs it up to its yield before the task, and the rest after it.",
        ),
    ] = None
    pod: Annotated[
        PodSettings | None,
        Field(description="pod: what the tasks' pods have in common."),
    ] = None
    sticky: Annotated[
        Sticky | None,
        Field(
            description="sticky: later tasks of a run prefer (Soft) or need (Hard) the node of the "
            "first one that started.",
        ),
    ] = None
    ttl_seconds_after_finished: Annotated[
        int | None,
        Field(
            ge=0,
            le=315_360_000,
            description="ttlSecondsAfterFinished: a run is deleted so long after its end; by "
            "default what the chart says.",
        ),
    ] = None


class Workflow(ApiObject):
    """A workflow: tasks, each of which becomes a pod, and the order between them."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"size(self.metadata.name) <= {MAX_LABEL_VALUE}",
            f"metadata.name of a Workflow has at most {MAX_LABEL_VALUE} characters: shorten it and "
            "put the whole name into spec.name",
        ),
    ]

    kind: Literal["Workflow"] = "Workflow"
    spec: Annotated[WorkflowSpec, Field(description="spec is a directed acyclic graph of tasks.")]
    status: Annotated[
        CheckedStatus | None,
        Field(description="status is what the operator says of the workflow."),
    ] = None

    @property
    def true_name(self) -> str:
        """The name as the author wrote it."""
        return self.spec.name or self.metadata.name
