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

    type: Annotated[str, Field(max_length=256)]
    """type is the exception's class name, or a reason."""
    message: Annotated[str, Field(max_length=MAX_ERROR_MESSAGE)] = ""
    """message of the exception."""
    traceback: Annotated[str | None, Field(max_length=MAX_TRACEBACK)] = None
    """traceback from the pod; only the end of a long one."""


class AttemptRecord(WireModel):
    """An attempt that ended and was followed by another. It does not change again."""

    attempt: Annotated[int, Field(ge=1)]
    """attempt is the number of the attempt, from 1."""
    reason: Annotated[str, Field(max_length=MAX_REASON)]
    """reason for the end, as one word for programs."""
    message: Annotated[str, Field(max_length=MAX_RECORD_MESSAGE)] = ""
    """message explains how it ended."""
    node: Annotated[str | None, Field(max_length=253)] = None
    """node that it ran on."""
    started_at: Timestamp | None = None
    """startedAt is when its code started."""
    finished_at: Timestamp | None = None
    """finishedAt is when it ended."""
    exit_code: int | None = None
    """exitCode of the container, if known."""


def _no_texts() -> list[str]:  # to call `list[str]` takes five times as long
    return []


def _no_records() -> list[AttemptRecord]:
    return []


class TaskStatus(WireModel):
    """The state of a task in a run."""

    name: TaskName
    """name of the task."""
    state: TaskState
    """state of the task."""
    reason: Annotated[str | None, Field(max_length=MAX_REASON)] = None
    """reason for the state, as one word for programs."""
    message: Annotated[str | None, Field(max_length=2048)] = None
    """message explains why the task is in this state."""
    attempt: Annotated[int, Field(ge=0)] = 0
    """attempt is the number of the last attempt, from 1, resumes included."""
    retries: Annotated[int, Field(ge=0)] = 0
    """retries that failures of the task have used."""
    disruptions: Annotated[int, Field(ge=0)] = 0
    """disruptions is the number of attempts that were lost, such as by eviction."""
    resumes: Annotated[int, Field(ge=0)] = 0
    """resumes is the number of times that a durable task got a new pod after a wait. They count in
    attempt, and neither as retries nor as disruptions."""
    waits_over: Annotated[int | None, Field(ge=0)] = None
    """waitsOver is set while a durable task waits without a pod: it is resumed when more waits than
    these are over."""
    evicted_at: Timestamp | None = None
    """evictedAt is when a durable task gave up its pod: the wait without a pod that it is in, or
    that its last attempt followed."""
    idle_resumes: Annotated[int, Field(ge=0)] = 0
    """idleResumes is the number of pods in a row that gave up and reported fewer waits as over than
    were over when they were made. A backoff follows each."""
    next_attempt_at: Timestamp | None = None
    """nextAttemptAt is the time at which the backoff ends."""
    met: Annotated[list[Annotated[str, Field(max_length=1200)]], Field(max_length=200)] = Field(
        default_factory=_no_texts
    )
    """met lists the event conditions that hold."""
    attempts: Annotated[list[AttemptRecord], Field(max_length=MAX_ATTEMPT_RECORDS)] = Field(
        default_factory=_no_records
    )
    """attempts before the last one; only the latest are kept."""
    job: Annotated[str | None, Field(max_length=63)] = None
    """job of the last attempt."""
    node: Annotated[str | None, Field(max_length=253)] = None
    """node that the last attempt ran on. A durable task keeps it while it waits without a pod, and
    until its next pod has a node."""
    queued_at: Timestamp | None = None
    """queuedAt is when the attempt's Job was created."""
    started_at: Timestamp | None = None
    """startedAt is when the task's code started."""
    finished_at: Timestamp | None = None
    """finishedAt is when the task ended."""
    exit_code: int | None = None
    """exitCode of the container, if known."""
    output: Annotated[str | None, Field(max_length=MAX_INLINE_OUTPUT_BYTES)] = None
    """output as JSON, if it has at most 4096 bytes."""
    output_ref: Annotated[str | None, Field(max_length=63)] = None
    """outputRef is the name of the TaskResult with a longer output."""
    error: TaskError | None = None
    """error of the last attempt."""

    @property
    def attempt_number(self) -> int:
        """Number of the last attempt as users know it: a resume goes on with an attempt."""
        return self.attempt - self.resumes
