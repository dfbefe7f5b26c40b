"""The state of a task in a run, as the operator writes it into the run's status."""

from typing import Annotated, Literal

from pydantic import Field

from podhatch.api.model import Timestamp, WireModel
from podhatch.api.task import TaskName

TaskState = Literal[
    "Pending", "Queued", "Running", "Waiting", "Succeeded", "Skipped", "Failed", "Cancelled"
]
"""Waiting: a durable task without a pod."""
WaitReason = Literal[
    "WaitingForParents",
    "WaitingForConditions",
    "WaitingForFailure",
    "Retrying",
    "Disrupted",
    "Suspended",
    "WaitingForPod",
    "FailedCreate",
    "Scheduling",
    "Unschedulable",
    "SchedulingGated",
    "ImagePull",
    "ContainerConfig",
    "FailedMount",
    "FailedAttachVolume",
    "FailedMapVolume",
    "FailedCreatePodSandBox",
    "Starting",
    "Refused",
    "Concurrency",
    "RateLimit",
    "Evicted",
    "ResumeBackOff",
]
"""Why a task waits."""
EndReason = Literal[
    "TaskFailed",
    "TimedOut",
    "ExitCode",
    "StorageLimitExceeded",
    "OOMKilled",
    "OutputNotJSON",
    "OutputTooLarge",
    "Terminated",
    "SkipIf",
    "CancelIf",
    "ParentsSkipped",
    "NothingFailed",
    "ExpressionFailed",
    "ExpressionTooExpensive",
    "ScheduleTimedOut",
    "RunCancelled",
    "CancelledItself",
    "Replayed",
    "ParentFailed",
    "ParentCancelled",
    "ParentOutputLost",
    "PodDeleted",
    "PodLost",
    "JobDeleted",
    "Disrupted",
    "ReportLost",
    "LogUnreadable",
    "NoReport",
    "Refused",
    "Concurrency",
]
"""Why a task ended, unless Kubernetes gives the reason, as for an eviction."""
TERMINAL_STATES: frozenset[str] = frozenset({"Succeeded", "Skipped", "Failed", "Cancelled"})
MAX_REASON = 128
MAX_INLINE_OUTPUT_BYTES = 4096
"""A longer output of a task is kept in its TaskResult; the status has a reference."""
MAX_ERROR_MESSAGE = 2048
MAX_TRACEBACK = 8192
MAX_RECORD_MESSAGE = 300
MAX_ATTEMPT_RECORDS = 10
MAX_DISRUPTIONS = 10
"""A task fails when it loses more attempts than this to disruptions."""


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
            description="traceback from the pod; only the end of a long one.",
        ),
    ] = None


class AttemptRecord(WireModel):
    """An attempt that ended and was followed by another. It does not change again."""

    attempt: Annotated[
        int, Field(ge=1, description="attempt is the number of the attempt, from 1.")
    ]
    reason: Annotated[
        str,
        Field(max_length=MAX_REASON, description="reason for the end, as one word for programs."),
    ]
    message: Annotated[
        str, Field(max_length=MAX_RECORD_MESSAGE, description="message explains how it ended.")
    ] = ""
    node: Annotated[str | None, Field(max_length=253, description="node that it ran on.")] = None
    started_at: Annotated[
        Timestamp | None, Field(description="startedAt is when its code started.")
    ] = None
    finished_at: Annotated[Timestamp | None, Field(description="finishedAt is when it ended.")] = (
        None
    )
    exit_code: Annotated[int | None, Field(description="exitCode of the container, if known.")] = (
        None
    )


def _no_texts() -> list[str]:  # to call `list[str]` takes five times as long
    return []


def _no_records() -> list[AttemptRecord]:
    return []


class TaskStatus(WireModel):
    """The state of a task in a run."""

    name: Annotated[TaskName, Field(description="name of the task.")]
    state: Annotated[TaskState, Field(description="state of the task.")]
    reason: Annotated[
        str | None,
        Field(
            max_length=MAX_REASON,
            description="reason for the state, as one word for programs.",
        ),
    ] = None
    message: Annotated[
        str | None,
        Field(max_length=2048, description="message explains why the task is in this state."),
    ] = None
    attempt: Annotated[
        int,
        Field(
            ge=0,
            description="attempt is the number of the last attempt, from 1, resumes included.",
        ),
    ] = 0
    retries: Annotated[
        int,
        Field(ge=0, description="retries that failures of the task have used."),
    ] = 0
    disruptions: Annotated[
        int,
        Field(
            ge=0,
            description="disruptions is the number of attempts that were lost, such as by "
            "eviction.",
        ),
    ] = 0
    resumes: Annotated[
        int,
        Field(
            ge=0,
            description="resumes is the number of times that a durable task got a new pod after a "
            "wait. They count in attempt, and neither as retries nor as disruptions.",
        ),
    ] = 0
    waits_over: Annotated[
        int | None,
        Field(
            ge=0,
            description="waitsOver is set while a durable task waits without a pod: it is resumed "
            "when more waits than these are over.",
        ),
    ] = None
    evicted_at: Annotated[
        Timestamp | None,
        Field(
            description="evictedAt is when a durable task gave up its pod: the wait without a pod "
            "that it is in, or that its last attempt followed."
        ),
    ] = None
    idle_resumes: Annotated[
        int,
        Field(
            ge=0,
            description="idleResumes is the number of pods in a row that gave up and reported "
            "fewer waits as over than were over when they were made. A backoff follows each.",
        ),
    ] = 0
    next_attempt_at: Annotated[
        Timestamp | None, Field(description="nextAttemptAt is the time at which the backoff ends.")
    ] = None
    met: Annotated[
        list[Annotated[str, Field(max_length=1200)]],
        Field(max_length=200, description="met lists the event conditions that hold."),
    ] = Field(default_factory=_no_texts)
    attempts: Annotated[
        list[AttemptRecord],
        Field(
            max_length=MAX_ATTEMPT_RECORDS,
            description="attempts before the last one; only the latest are kept.",
        ),
    ] = Field(default_factory=_no_records)
    job: Annotated[
        str | None,
        Field(max_length=63, description="job of the last attempt."),
    ] = None
    node: Annotated[
        str | None,
        Field(max_length=253, description="node that the last attempt ran on."),
    ] = None
    queued_at: Annotated[
        Timestamp | None,
        Field(description="queuedAt is when the attempt's Job was created."),
    ] = None
    started_at: Annotated[
        Timestamp | None,
        Field(description="startedAt is when the task's code started."),
    ] = None
    finished_at: Annotated[
        Timestamp | None, Field(description="finishedAt is when the task ended.")
    ] = None
    exit_code: Annotated[int | None, Field(description="exitCode of the container, if known.")] = (
        None
    )
    output: Annotated[
        str | None,
        Field(
            max_length=MAX_INLINE_OUTPUT_BYTES,
            description="output as JSON, if it has at most 4096 bytes.",
        ),
    ] = None
    output_ref: Annotated[
        str | None,
        Field(
            max_length=63,
            description="outputRef is the name of the TaskResult with a longer output.",
        ),
    ] = None
    error: Annotated[TaskError | None, Field(description="error of the last attempt.")] = None

    @property
    def attempt_number(self) -> int:
        """Number of the last attempt as users know it: a resume goes on with an attempt."""
        return self.attempt - self.resumes
