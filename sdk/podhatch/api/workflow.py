"""The Workflow object: a graph of tasks. Users, the SDK and Helm write its spec.

The operator stores each generation as a ControllerRevision, and writes the status.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.concurrency import Concurrency, ConcurrencyLimit
from podhatch.api.event_filter import EventKeyPattern, FilterRule
from podhatch.api.idempotency import Idempotency
from podhatch.api.limits import DEFAULT_QUEUE_TTL_SECONDS, MAX_STORED_SECONDS
from podhatch.api.model import (
    LIST_SET,
    PRESERVE_UNKNOWN,
    AdditionalMetadata,
    ApiObject,
    CheckedStatus,
    JsonObject,
    Rule,
    WireModel,
    list_map,
)
from podhatch.api.names import MAX_LABEL_VALUE
from podhatch.api.pod_settings import PodSettings
from podhatch.api.task import MAX_TASKS, HookSpec, Priority, PythonFunction, TaskBase, TaskSpec

PullPolicy = Literal["Always", "IfNotPresent", "Never"]
Sticky = Literal["Soft", "Hard"]
WhilePaused = Literal["Queue", "Drop"]

PAUSE_FIELDS = ("paused", "pausePolicy")
"""Fields of the spec that are no part of what the author defines: publishing leaves them."""


class Source(WireModel):
    """The user's source tree, shipped with the workflow for development."""

    config_map: Annotated[str, Field(min_length=1, max_length=253)]
    """configMap with the tree as source.zip. Its name changes with the content."""


class PausePolicy(WireModel):
    """What becomes of runs that have not started when their workflow is paused."""

    queue_ttl_seconds: Annotated[int, Field(ge=1, le=MAX_STORED_SECONDS)] = (
        DEFAULT_QUEUE_TTL_SECONDS
    )
    """queueTtlSeconds is the time that a run may wait for its start while the workflow is paused,
    from its creation or its startAt; then it is cancelled. Defaults to a day."""
    cron_runs: WhilePaused = "Queue"
    """cronRuns: at a tick of a cron, Queue creates a run that waits, Drop creates none."""
    scheduled_runs: WhilePaused = "Queue"
    """scheduledRuns: at the startAt of a run, Queue lets it wait, Drop cancels it."""


class WorkflowSpec(WireModel):
    """A directed acyclic graph of tasks, and their common settings."""

    name: Annotated[str | None, Field(min_length=1, max_length=253)] = None
    """name that the author gave, which may contain capitals, spaces and dots. Defaults to
    metadata.name."""
    description: Annotated[str | None, Field(max_length=4096)] = None
    """description of the workflow."""
    version: Annotated[str | None, Field(max_length=256)] = None
    """version that the author gave. podhatch does not interpret it."""
    image: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    """image of the python tasks. Defaults to the runner image of the operator."""
    image_pull_policy: PullPolicy | None = None
    """imagePullPolicy of all tasks. Defaults to that of Kubernetes."""
    source: Source | None = None
    """source tree of the python tasks, for development."""
    input_schema: Annotated[JsonObject | None, PRESERVE_UNKNOWN] = None
    """inputSchema is a JSON Schema. A run whose input does not match fails at once."""
    tasks: Annotated[list[TaskSpec], list_map("name"), Field(min_length=1, max_length=MAX_TASKS)]
    """tasks of the workflow, in any order."""
    on_failure_task: HookSpec | None = None
    """onFailureTask runs once a task has failed and has no retries left."""
    on_success_task: HookSpec | None = None
    """onSuccessTask runs after all other tasks, if none failed."""
    on_events: Annotated[list[EventKeyPattern], LIST_SET, Field(max_length=64)] = Field(
        default_factory=list[str]
    )
    """onEvents lists keys of events that start a run; * matches any text."""
    default_filters: list[FilterRule] = Field(default_factory=list[FilterRule], max_length=64)
    """defaultFilters select the events that start a run. EventFilter objects can add more
    filters."""
    on_crons: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=256)]], LIST_SET, Field(max_length=32)
    ] = Field(default_factory=list[str])
    """onCrons lists cron expressions in UTC. A CronWorkflow is created for each."""
    cron_input: Annotated[JsonObject | None, PRESERVE_UNKNOWN] = None
    """cronInput is the input of the runs that onCrons start."""
    default_additional_metadata: AdditionalMetadata = Field(default_factory=dict[str, str])
    """defaultAdditionalMetadata of every run. The metadata of the run takes precedence."""
    default_priority: Priority | None = None
    """defaultPriority 1 (low) to 3 (high) of runs that set no priority."""
    idempotency: Idempotency | None = None
    """idempotency refuses a run while another run of this workflow holds the same key."""
    concurrency: Concurrency = Field(default_factory=list[ConcurrencyLimit])
    """concurrency lists limits of the runs of this workflow. A run starts once it has a slot of
    each, and holds them until it ends."""
    lifespan: PythonFunction | None = None
    """lifespan is an async generator function, in the form of a python task. Each pod of a python
    task runs it up to its yield before the task, and the rest after it."""
    pod: PodSettings | None = None
    """pod holds the common settings of the tasks' pods."""
    paused: bool = False
    """paused keeps runs from starting until it is reset. Runs that have started continue."""
    pause_policy: PausePolicy | None = None
    """pausePolicy applies to runs while the workflow is paused."""
    sticky: Sticky | None = None
    """sticky makes later tasks of a run prefer (Soft) or require (Hard) the node of the first task
    that started."""
    ttl_seconds_after_finished: Annotated[int | None, Field(ge=0, le=MAX_STORED_SECONDS)] = None
    """ttlSecondsAfterFinished is the time from the end of a run until it is deleted. Defaults to
    the value of the chart."""

    @property
    def all_tasks(self) -> list[tuple[str, TaskBase]]:
        """The tasks, with the hooks, each with its field in the object."""
        hooks = {"onFailureTask": self.on_failure_task, "onSuccessTask": self.on_success_task}
        return [
            *((f"spec.tasks[{task.name}]", task) for task in self.tasks),
            *((f"spec.{field}", hook) for field, hook in hooks.items() if hook),
        ]


class Workflow(ApiObject):
    """A workflow: a graph of tasks, each of which runs in its own pod."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"size(self.metadata.name) <= {MAX_LABEL_VALUE}",
            f"metadata.name of a Workflow has at most {MAX_LABEL_VALUE} characters: shorten it and "
            "set spec.name to the whole name",
        ),
    ]

    kind: Literal["Workflow"] = "Workflow"
    spec: WorkflowSpec
    """spec is a directed acyclic graph of tasks."""
    status: CheckedStatus | None = None
    """status is the result of the validation."""

    @property
    def true_name(self) -> str:
        """The name that the author gave."""
        return self.spec.name or self.metadata.name
