"""The WorkflowRun object: one execution of a workflow. Its spec is the user's, its status ours."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.labels import API_VERSION
from podhatch.api.model import (
    Condition,
    JsonObject,
    ListMap,
    ObjectMeta,
    PreserveUnknown,
    Rule,
    Timestamp,
    WireModel,
)
from podhatch.api.names import MAX_RUN_NAME
from podhatch.api.workflow import MAX_TASKS, TaskName

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Cancelled"]
TaskState = Literal["Pending", "Queued", "Running", "Succeeded", "Failed", "Cancelled"]

TERMINAL_PHASES: frozenset[str] = frozenset({"Succeeded", "Failed", "Cancelled"})
TERMINAL_STATES: frozenset[str] = frozenset({"Succeeded", "Failed", "Cancelled"})

MAX_INLINE_OUTPUT_BYTES = 4096
"""A longer output of a task stays in its TaskResult, to which the status refers."""
MAX_ERROR_MESSAGE = 2048
MAX_TRACEBACK = 8192

# Condition types of a run.
ACCEPTED = "Accepted"
SUCCEEDED = "Succeeded"
FAILED = "Failed"
CANCELLED = "Cancelled"


class WorkflowRunSpec(WireModel):
    """What to run, and on what. It cannot change once the run exists."""

    workflow: Annotated[
        str,
        Field(
            min_length=1,
            max_length=63,
            description="workflow is the name of a Workflow object in the same namespace. The run "
            "waits until it exists.",
        ),
    ]
    input: Annotated[
        JsonObject,
        PreserveUnknown(),
        Field(
            default_factory=dict[str, object],
            description="input of the run, an object of at most 256 KiB as JSON.",
        ),
    ]
    additional_metadata: Annotated[
        dict[str, Annotated[str, Field(max_length=4096)]],
        Field(
            default_factory=dict[str, str],
            max_length=64,
            description="additionalMetadata travels with the run to every task.",
        ),
    ]


class TaskError(WireModel):
    """Why a task did not succeed."""

    type: Annotated[
        str, Field(max_length=256, description="type is the exception's class name, or a reason.")
    ]
    message: Annotated[
        str,
        Field(default="", max_length=MAX_ERROR_MESSAGE, description="message of the exception."),
    ]
    traceback: Annotated[
        str | None,
        Field(
            default=None,
            max_length=MAX_TRACEBACK,
            description="traceback from the pod; its last part when it is long.",
        ),
    ]


class TaskStatus(WireModel):
    """Where one task of a run stands."""

    name: Annotated[TaskName, Field(description="name of the task.")]
    state: Annotated[TaskState, Field(description="state of the task.")]
    reason: Annotated[
        str | None,
        Field(
            default=None,
            max_length=128,
            description="reason is one word for the state, for programs.",
        ),
    ]
    message: Annotated[
        str | None,
        Field(
            default=None, max_length=2048, description="message says why the task is in this state."
        ),
    ]
    attempt: Annotated[
        int,
        Field(default=0, ge=0, description="attempt is the number of the last attempt, from 1."),
    ]
    job: Annotated[
        str | None,
        Field(default=None, max_length=63, description="job of the last attempt."),
    ]
    node: Annotated[
        str | None,
        Field(default=None, max_length=253, description="node the last attempt ran on."),
    ]
    queued_at: Annotated[
        Timestamp | None,
        Field(default=None, description="queuedAt is when the attempt's job was made."),
    ]
    started_at: Annotated[
        Timestamp | None,
        Field(default=None, description="startedAt is when the task's code started."),
    ]
    finished_at: Annotated[
        Timestamp | None, Field(default=None, description="finishedAt is when the task ended.")
    ]
    exit_code: Annotated[
        int | None, Field(default=None, description="exitCode of the container, when it is known.")
    ]
    output: Annotated[
        str | None,
        Field(
            default=None,
            max_length=MAX_INLINE_OUTPUT_BYTES,
            description="output as JSON text, when it has at most 4096 bytes.",
        ),
    ]
    output_ref: Annotated[
        str | None,
        Field(
            default=None,
            max_length=63,
            description="outputRef is the TaskResult that holds a longer output.",
        ),
    ]
    error: Annotated[
        TaskError | None, Field(default=None, description="error of the last attempt.")
    ]


class WorkflowRunStatus(WireModel):
    """Where a run stands. The conditions are the truth; phase and progress are derived from it."""

    observed_generation: Annotated[
        int | None,
        Field(
            default=None, ge=0, description="observedGeneration is the generation last acted on."
        ),
    ]
    phase: Annotated[
        Phase | None,
        Field(default=None, description="phase in one word, derived from the conditions."),
    ]
    message: Annotated[
        str | None,
        Field(default=None, max_length=2048, description="message: why the run is in this phase."),
    ]
    progress: Annotated[
        str | None,
        Field(default=None, max_length=16, description="progress: tasks that ended / all tasks."),
    ]
    revision: Annotated[
        str | None,
        Field(
            default=None,
            max_length=253,
            description="revision is the ControllerRevision that pins the workflow for this run.",
        ),
    ]
    started_at: Annotated[
        Timestamp | None, Field(default=None, description="startedAt is when the run was accepted.")
    ]
    finished_at: Annotated[
        Timestamp | None, Field(default=None, description="finishedAt is when the last task ended.")
    ]
    conditions: Annotated[
        list[Condition],
        ListMap("type"),
        Field(
            default_factory=list[Condition],
            max_length=16,
            description="conditions: Accepted, Succeeded, Failed, Cancelled.",
        ),
    ]
    tasks: Annotated[
        list[TaskStatus],
        ListMap("name"),
        Field(
            default_factory=list[TaskStatus],
            max_length=MAX_TASKS,
            description="tasks of the run, in the workflow's order.",
        ),
    ]


class WorkflowRun(WireModel):
    """One run of a workflow: its input, and where each task stands."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"size(self.metadata.name) <= {MAX_RUN_NAME}",
            f"metadata.name of a WorkflowRun has at most {MAX_RUN_NAME} characters: shorten it",
        ),
    ]

    api_version: Literal["podhatch.dev/v1alpha1"] = API_VERSION
    kind: Literal["WorkflowRun"] = "WorkflowRun"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: WorkflowRunSpec
    status: WorkflowRunStatus | None = None

    @property
    def finished(self) -> bool:
        """Whether nothing will happen in this run any more."""
        return self.status is not None and self.status.phase in TERMINAL_PHASES
