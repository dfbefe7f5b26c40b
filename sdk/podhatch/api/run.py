"""The WorkflowRun object: one execution of a workflow. Its spec is the user's, its status ours."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.model import (
    AdditionalMetadata,
    ApiObject,
    Condition,
    GivenTime,
    JsonObject,
    ListMap,
    PreserveUnknown,
    Rule,
    Timestamp,
    WireModel,
)
from podhatch.api.names import MAX_LABEL_VALUE, MAX_RUN_NAME
from podhatch.api.task import MAX_TASKS, Priority, TaskName

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Cancelled"]
TaskState = Literal["Pending", "Queued", "Running", "Succeeded", "Skipped", "Failed", "Cancelled"]
DesiredState = Literal["Running", "Cancelled"]

TERMINAL_PHASES: frozenset[str] = frozenset({"Succeeded", "Failed", "Cancelled"})
TERMINAL_STATES: frozenset[str] = frozenset({"Succeeded", "Skipped", "Failed", "Cancelled"})

MAX_INLINE_OUTPUT_BYTES = 4096
"""A longer output of a task stays in its TaskResult, to which the status refers."""
MAX_ERROR_MESSAGE = 2048
MAX_TRACEBACK = 8192
MAX_RECORD_MESSAGE = 300
MAX_ATTEMPT_RECORDS = 10
MAX_DELAY_SECONDS = 3_153_600_000
MAX_DISRUPTIONS = 10
"""An attempt that is lost once more than this fails the task."""

# Condition types of a run.
ACCEPTED = "Accepted"
SUCCEEDED = "Succeeded"
FAILED = "Failed"
CANCELLED = "Cancelled"


class Replay(WireModel):
    """How often the run was asked to start over, and with which tasks."""

    count: Annotated[
        int, Field(ge=1, le=1000, description="count: each higher one starts over once more.")
    ]
    failed_only: Annotated[
        bool,
        Field(description="failedOnly: tasks that succeeded keep their outputs."),
    ] = False


class ParentReference(WireModel):
    """The task that asked for this run, and which of its child runs this is."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "has(self.index) != has(self.key)",
            "a child run is told from its siblings by either index or key",
        ),
    ]

    run: Annotated[
        str, Field(min_length=1, max_length=MAX_RUN_NAME, description="run of the parent task.")
    ]
    task: Annotated[TaskName, Field(description="task that asked for this run.")]
    job: Annotated[
        str,
        Field(
            min_length=1, max_length=63, description="job of the attempt that asked for this run."
        ),
    ]
    index: Annotated[
        int | None, Field(ge=0, description="index among the runs the task asked for, from 0.")
    ] = None
    key: Annotated[
        str | None,
        Field(min_length=1, max_length=253, description="key the task gave, in place of an index."),
    ] = None


class TriggeringEvent(WireModel):
    """The WorkflowEvent that started a run. It may be gone by now."""

    id: Annotated[str, Field(min_length=1, max_length=253, description="id: name of the event.")]
    key: Annotated[str, Field(min_length=1, max_length=253, description="key of the event.")]
    filter_payload: Annotated[
        JsonObject | None,
        PreserveUnknown(),
        Field(description="filterPayload of the filter that let the event through."),
    ] = None


class TriggeringTick(WireModel):
    """The tick of a CronWorkflow that started a run."""

    cron: Annotated[str, Field(min_length=1, max_length=52, description="cron: its name.")]
    job: Annotated[
        str, Field(min_length=1, max_length=63, description="job that stands for the tick.")
    ]
    job_uid: Annotated[
        str | None,
        Field(
            max_length=63,
            description="jobUid is the uid of that Job; a run with another is not of its tick.",
        ),
    ] = None
    scheduled_at: Annotated[GivenTime, Field(description="scheduledAt is the time of the tick.")]


class Trigger(WireModel):
    """What started a run, when nobody created it by hand."""

    event: Annotated[TriggeringEvent | None, Field(description="event that started the run.")] = (
        None
    )
    cron: Annotated[TriggeringTick | None, Field(description="cron tick that started the run.")] = (
        None
    )


class WorkflowRunSpec(WireModel):
    """What to run, and on what; it cannot change. And what should become of the run; it can."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"has(self.{name}) == has(oldSelf.{name}) && "
            f"(!has(self.{name}) || self.{name} == oldSelf.{name})",
            f"{name} of a WorkflowRun cannot change: create another run",
        )
        for name in ("workflow", "input", "additionalMetadata", "priority", "parent", "trigger")
    ]

    workflow: Annotated[
        str,
        Field(
            min_length=1,
            max_length=MAX_LABEL_VALUE,
            description="workflow is the name of a Workflow object in the same namespace. The run "
            "waits until it exists.",
        ),
    ]
    input: Annotated[
        JsonObject,
        PreserveUnknown(),
        Field(
            description="input of the run, an object of at most 256 KiB as JSON.",
        ),
    ] = Field(default_factory=dict[str, object])
    additional_metadata: Annotated[
        AdditionalMetadata,
        Field(description="additionalMetadata travels with the run to every task; at most 32 KiB."),
    ] = Field(default_factory=dict[str, str])
    priority: Annotated[
        Priority | None,
        Field(
            description="priority 1 (low) to 3 (high) of the run's pods; by default the workflow's."
        ),
    ] = None
    start_at: Annotated[
        GivenTime | None,
        Field(description="startAt: the run starts at this time, or as soon after as possible."),
    ] = None
    starting_deadline_seconds: Annotated[
        int | None,
        Field(
            ge=0,
            le=315_360_000,
            description="startingDeadlineSeconds: a run that could not start within this time "
            "after startAt is cancelled; by default it starts however late.",
        ),
    ] = None
    parent: Annotated[
        ParentReference | None,
        Field(description="parent is the task that asked for this run, if one did."),
    ] = None
    trigger: Annotated[
        Trigger | None, Field(description="trigger: the event or cron tick that started the run.")
    ] = None
    desired_state: Annotated[
        DesiredState,
        Field(description="desiredState: set it to Cancelled to cancel the run."),
    ] = "Running"
    replay: Annotated[
        Replay | None,
        Field(description="replay: raise its count to run tasks of this run again."),
    ] = None


class TaskError(WireModel):
    """Why a task did not succeed."""

    type: Annotated[
        str, Field(max_length=256, description="type is the exception's class name, or a reason.")
    ]
    message: Annotated[
        str,
        Field(max_length=MAX_ERROR_MESSAGE, description="message of the exception."),
    ] = ""
    traceback: Annotated[
        str | None,
        Field(
            max_length=MAX_TRACEBACK,
            description="traceback from the pod; its last part when it is long.",
        ),
    ] = None


class AttemptRecord(WireModel):
    """An attempt that ended and was followed by another. It does not change any more."""

    attempt: Annotated[int, Field(ge=1, description="attempt is its number, from 1.")]
    reason: Annotated[str, Field(max_length=128, description="reason it ended, in one word.")]
    message: Annotated[
        str, Field(max_length=MAX_RECORD_MESSAGE, description="message says how it ended.")
    ] = ""
    node: Annotated[str | None, Field(max_length=253, description="node it ran on.")] = None
    started_at: Annotated[
        Timestamp | None, Field(description="startedAt is when its code started.")
    ] = None
    finished_at: Annotated[Timestamp | None, Field(description="finishedAt is when it ended.")] = (
        None
    )
    exit_code: Annotated[
        int | None, Field(description="exitCode of its container, when it is known.")
    ] = None


class TaskStatus(WireModel):
    """Where one task of a run stands."""

    name: Annotated[TaskName, Field(description="name of the task.")]
    state: Annotated[TaskState, Field(description="state of the task.")]
    reason: Annotated[
        str | None,
        Field(
            max_length=128,
            description="reason is one word for the state, for programs.",
        ),
    ] = None
    message: Annotated[
        str | None,
        Field(max_length=2048, description="message says why the task is in this state."),
    ] = None
    attempt: Annotated[
        int,
        Field(ge=0, description="attempt is the number of the last attempt, from 1."),
    ] = 0
    retries: Annotated[
        int,
        Field(ge=0, description="retries that failures of the task's own have used."),
    ] = 0
    disruptions: Annotated[
        int,
        Field(ge=0, description="disruptions: attempts that were lost through no fault of theirs."),
    ] = 0
    next_attempt_at: Annotated[
        Timestamp | None, Field(description="nextAttemptAt is when the backoff ends.")
    ] = None
    met: Annotated[
        list[Annotated[str, Field(max_length=1200)]],
        Field(max_length=200, description="met: the events that were waited for and came."),
    ] = Field(default_factory=list[str])
    attempts: Annotated[
        list[AttemptRecord],
        Field(
            max_length=MAX_ATTEMPT_RECORDS,
            description="attempts that ended before the last one; the oldest are left out.",
        ),
    ] = Field(default_factory=list[AttemptRecord])
    job: Annotated[
        str | None,
        Field(max_length=63, description="job of the last attempt."),
    ] = None
    node: Annotated[
        str | None,
        Field(max_length=253, description="node the last attempt ran on."),
    ] = None
    queued_at: Annotated[
        Timestamp | None,
        Field(description="queuedAt is when the attempt's job was made."),
    ] = None
    started_at: Annotated[
        Timestamp | None,
        Field(description="startedAt is when the task's code started."),
    ] = None
    finished_at: Annotated[
        Timestamp | None, Field(description="finishedAt is when the task ended.")
    ] = None
    exit_code: Annotated[
        int | None, Field(description="exitCode of the container, when it is known.")
    ] = None
    output: Annotated[
        str | None,
        Field(
            max_length=MAX_INLINE_OUTPUT_BYTES,
            description="output as JSON text, when it has at most 4096 bytes.",
        ),
    ] = None
    output_ref: Annotated[
        str | None,
        Field(
            max_length=63,
            description="outputRef is the TaskResult that holds a longer output.",
        ),
    ] = None
    error: Annotated[TaskError | None, Field(description="error of the last attempt.")] = None


class WorkflowRunStatus(WireModel):
    """Where a run stands. The conditions are the truth; phase and progress are derived from it."""

    observed_generation: Annotated[
        int | None,
        Field(ge=0, description="observedGeneration is the generation last acted on."),
    ] = None
    phase: Annotated[
        Phase | None,
        Field(description="phase in one word, derived from the conditions."),
    ] = None
    message: Annotated[
        str | None,
        Field(max_length=2048, description="message: why the run is in this phase."),
    ] = None
    progress: Annotated[
        str | None,
        Field(max_length=16, description="progress: tasks that ended / all tasks."),
    ] = None
    revision: Annotated[
        str | None,
        Field(
            max_length=253,
            description="revision is the ControllerRevision that pins the workflow for this run.",
        ),
    ] = None
    replays: Annotated[
        int,
        Field(ge=0, description="replays that were carried out: the spec's replay.count, then."),
    ] = 0
    depth: Annotated[
        int | None,
        Field(
            ge=1,
            description="depth: how many runs are above this one, if a task of another run asked "
            "for it.",
        ),
    ] = None
    started_at: Annotated[
        Timestamp | None, Field(description="startedAt is when the run was accepted.")
    ] = None
    start_delay_seconds: Annotated[
        float | None,
        Field(
            ge=0,
            le=MAX_DELAY_SECONDS,
            description="startDelaySeconds: how much later than spec.startAt the run started.",
        ),
    ] = None
    finished_at: Annotated[
        Timestamp | None, Field(description="finishedAt is when the last task ended.")
    ] = None
    conditions: Annotated[
        list[Condition],
        ListMap("type"),
        Field(
            max_length=16,
            description="conditions: Accepted, Succeeded, Failed, Cancelled.",
        ),
    ] = Field(default_factory=list[Condition])
    tasks: Annotated[
        list[TaskStatus],
        ListMap("name"),
        Field(
            max_length=MAX_TASKS,
            description="tasks of the run, in the workflow's order.",
        ),
    ] = Field(default_factory=list[TaskStatus])


class WorkflowRun(ApiObject):
    """One run of a workflow: its input, and where each task stands."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"size(self.metadata.name) <= {MAX_RUN_NAME}",
            f"metadata.name of a WorkflowRun has at most {MAX_RUN_NAME} characters: shorten it",
        ),
    ]

    kind: Literal["WorkflowRun"] = "WorkflowRun"
    spec: Annotated[
        WorkflowRunSpec,
        Field(description="spec is what to run, on what, and what should become of it."),
    ]
    status: Annotated[
        WorkflowRunStatus | None,
        Field(description="status is where the run stands, as the operator says."),
    ] = None

    @property
    def finished(self) -> bool:
        """Whether nothing will happen in this run any more."""
        return self.status is not None and self.status.phase in TERMINAL_PHASES

    @property
    def asked_replays(self) -> int:
        """How many replays were asked for so far."""
        return self.spec.replay.count if self.spec.replay else 0
