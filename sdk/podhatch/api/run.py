"""The WorkflowRun object: one run of a workflow. Users write its spec, the operator its status."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.api.idempotency import IdempotencyClaim
from podhatch.api.limits import MAX_CHILD_KEY, MAX_LIMITS, MAX_RATE_LIMITS, MAX_STORED_SECONDS
from podhatch.api.model import (
    PRESERVE_UNKNOWN,
    AdditionalMetadata,
    ApiObject,
    GivenTime,
    JsonObject,
    Rule,
    StatusCondition,
    StatusConditions,
    Timestamp,
    WireModel,
    list_map,
)
from podhatch.api.names import MAX_LABEL_VALUE, MAX_RUN_NAME
from podhatch.api.rate_limit import RateLimitClaim
from podhatch.api.task import MAX_TASKS, Priority, TaskName
from podhatch.api.task_status import TaskStatus

Phase = Literal["Pending", "Running", "Succeeded", "Failed", "Cancelled"]
DesiredState = Literal["Running", "Cancelled"]

TERMINAL_PHASES: frozenset[str] = frozenset({"Succeeded", "Failed", "Cancelled"})
MAX_DELAY_SECONDS = 3_153_600_000


def has_ended(run: JsonObject) -> bool:
    """Return whether the run has ended, according to its status."""
    return run.get("status", {}).get("phase") in TERMINAL_PHASES


def is_over(run: JsonObject) -> bool:
    """Return whether nothing happens in this run any more: it has ended, and no replay is due."""
    spec, status = run["spec"], run.get("status", {})
    asked: int = spec.get("replay", {}).get("count", 0)
    is_due = _is_replay_due(asked, status.get("replays", 0), spec.get("desiredState"))
    return has_ended(run) and not is_due


def _is_replay_due(asked: int, carried_out: int, desired_state: str | None) -> bool:
    """Return whether a run starts over. A cancelled one does so once it should run again."""
    return asked > carried_out and desired_state != "Cancelled"


# Condition types of a run.
ACCEPTED = "Accepted"
SUCCEEDED = "Succeeded"
FAILED = "Failed"
CANCELLED = "Cancelled"


class Replay(WireModel):
    """A request to run tasks of this run again."""

    count: Annotated[int, Field(ge=1, le=1000)]
    """count of replays; a higher count starts another."""
    failed_only: bool = False
    """failedOnly keeps the outputs of tasks that succeeded."""
    task: TaskName | None = None
    """task limits the replay to this task and those that depend on it: the others keep their
    results, or go on. It takes precedence over failedOnly."""


class ParentReference(WireModel):
    """The task that started this run, and the index or key of this run among its child runs."""

    rules: ClassVar[list[Rule]] = [
        Rule("has(self.index) != has(self.key)", "a child run needs either index or key")
    ]

    run: Annotated[str, Field(min_length=1, max_length=MAX_RUN_NAME)]
    """run of the parent task."""
    task: TaskName
    """task that started this run."""
    job: Annotated[str, Field(min_length=1, max_length=63)]
    """job of the attempt that started this run."""
    index: Annotated[int | None, Field(ge=0)] = None
    """index among the child runs of the task, from 0."""
    key: Annotated[str | None, Field(min_length=1, max_length=MAX_CHILD_KEY)] = None
    """key that the task gave, instead of an index."""


class TriggeringEvent(WireModel):
    """The WorkflowEvent that started a run. The object may be deleted."""

    id: Annotated[str, Field(min_length=1, max_length=253)]
    """id is the name of the event object."""
    key: Annotated[str, Field(min_length=1, max_length=253)]
    """key of the event."""
    filter_payload: Annotated[JsonObject | None, PRESERVE_UNKNOWN] = None
    """filterPayload is the payload of the filter that passed the event."""


class TriggeringTick(WireModel):
    """The tick of a CronWorkflow that started a run."""

    cron: Annotated[str, Field(min_length=1, max_length=52)]
    """cron is the name of the CronWorkflow."""
    job: Annotated[str, Field(min_length=1, max_length=63)]
    """job of the tick."""
    job_uid: Annotated[str | None, Field(max_length=63)] = None
    """jobUid is the uid of that Job. A Job with another uid is another tick."""
    scheduled_at: GivenTime
    """scheduledAt is the time of the tick."""


class Trigger(WireModel):
    """The event or cron tick that started a run."""

    event: TriggeringEvent | None = None
    """event that started the run."""
    cron: TriggeringTick | None = None
    """cron tick that started the run."""


class WorkflowRunSpec(WireModel):
    """The workflow and input of the run, which cannot change, and its desired state, which can."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"has(self.{name}) == has(oldSelf.{name}) && "
            f"(!has(self.{name}) || self.{name} == oldSelf.{name})",
            f"{name} of a WorkflowRun cannot change: create another run",
        )
        for name in (
            "workflow",
            "input",
            "additionalMetadata",
            "priority",
            "idempotency",
            "parent",
            "trigger",
        )
    ]

    workflow: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_VALUE)]
    """workflow is the name of a Workflow object in the same namespace. The run waits until it
    exists."""
    input: Annotated[JsonObject, PRESERVE_UNKNOWN] = Field(default_factory=dict[str, object])
    """input of the run, a JSON object of at most 256 KiB."""
    additional_metadata: AdditionalMetadata = Field(default_factory=dict[str, str])
    """additionalMetadata of the run, which all tasks can read; at most 32 KiB."""
    priority: Priority | None = None
    """priority 1 (low) to 3 (high) of the run, when it waits for a slot, and of its pods. Defaults
    to the workflow's."""
    start_at: GivenTime | None = None
    """startAt is the time at which the run starts. By default it starts at once."""
    starting_deadline_seconds: Annotated[int | None, Field(ge=0, le=MAX_STORED_SECONDS)] = None
    """startingDeadlineSeconds is the maximum delay after startAt; a run that has not started by
    then is cancelled. By default there is no limit."""
    idempotency: IdempotencyClaim | None = None
    """idempotency is the key of the run, if its workflow gives it one."""
    parent: ParentReference | None = None
    """parent is the task that started this run as a child run, if any."""
    trigger: Trigger | None = None
    """trigger is the event or cron tick that started the run."""
    desired_state: DesiredState = "Running"
    """desiredState of the run. Set it to Cancelled to cancel the run."""
    replay: Replay | None = None
    """replay requests to run tasks again; increase its count, and replace all its fields: a merge
    patch keeps those that it does not name."""


class WorkflowRunStatus(WireModel):
    """The state of a run. Phase and progress are derived from the conditions."""

    observed_generation: Annotated[int | None, Field(ge=0)] = None
    """observedGeneration is the last generation that the operator handled."""
    phase: Phase | None = None
    """phase of the run, derived from the conditions."""
    message: Annotated[str | None, Field(max_length=2048)] = None
    """message explains why the run is in this phase."""
    progress: Annotated[str | None, Field(max_length=16)] = None
    """progress is the number of ended tasks / all tasks."""
    revision: Annotated[str | None, Field(max_length=253)] = None
    """revision is the ControllerRevision of the workflow that this run uses."""
    node: Annotated[str | None, Field(max_length=253)] = None
    """node of a sticky run: where its first task began."""
    replays: Annotated[int, Field(ge=0)] = 0
    """replays is the last replay.count of the spec that was carried out."""
    depth: Annotated[int | None, Field(ge=1)] = None
    """depth of a child run: the number of its ancestors."""
    started_at: Timestamp | None = None
    """startedAt is when the run was accepted."""
    start_delay_seconds: Annotated[float | None, Field(ge=0, le=MAX_DELAY_SECONDS)] = None
    """startDelaySeconds is the delay of the start after spec.startAt."""
    finished_at: Timestamp | None = None
    """finishedAt is when the last task ended."""
    conditions: StatusConditions = Field(default_factory=list[StatusCondition])
    """conditions of the run: Accepted, Succeeded, Failed, Cancelled."""
    concurrency: Annotated[
        list[ConcurrencyClaim], Field(max_length=(MAX_TASKS + 1) * MAX_LIMITS)
    ] = Field(default_factory=list[ConcurrencyClaim])
    """concurrency lists the slots that the run and its tasks hold or wait for."""
    rate_limits: Annotated[list[RateLimitClaim], Field(max_length=MAX_TASKS * MAX_RATE_LIMITS)] = (
        Field(default_factory=list[RateLimitClaim])
    )
    """rateLimits lists the units of rate limits that tasks wait for."""
    tasks: Annotated[list[TaskStatus], list_map("name"), Field(max_length=MAX_TASKS)] = Field(
        default_factory=list[TaskStatus]
    )
    """tasks of the run, in the workflow's order."""


class WorkflowRun(ApiObject):
    """A run of a workflow: its input, and the state of each task."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"size(self.metadata.name) <= {MAX_RUN_NAME}",
            f"metadata.name of a WorkflowRun has at most {MAX_RUN_NAME} characters: shorten it",
        )
    ]

    kind: Literal["WorkflowRun"] = "WorkflowRun"
    spec: WorkflowRunSpec
    """spec is the workflow, its input, and the desired state of the run."""
    status: WorkflowRunStatus | None = None
    """status is the state of the run, written by the operator."""

    @property
    def finished(self) -> bool:
        """Whether the run has ended."""
        return self.status is not None and self.status.phase in TERMINAL_PHASES

    @property
    def asked_replays(self) -> int:
        """The number of replays requested so far."""
        return self.spec.replay.count if self.spec.replay else 0

    @property
    def replay_due(self) -> bool:
        """Whether a replay is requested that is not carried out yet."""
        carried_out = self.status.replays if self.status else 0
        return _is_replay_due(self.asked_replays, carried_out, self.spec.desired_state)
