"""The CronWorkflow object: starts a run at each tick. The operator creates a CronJob for it.

Both have the same name. A tick is a Job of the CronJob that starts no pod; the run of the tick has
the name of the Job.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.limits import MAX_STORED_SECONDS
from podhatch.api.model import (
    PRESERVE_UNKNOWN,
    AdditionalMetadata,
    ApiObject,
    CheckedStatus,
    JsonObject,
    Rule,
    WholeSecond,
    WireModel,
)
from podhatch.api.names import MAX_LABEL_VALUE
from podhatch.api.task import Priority

MAX_CRON_NAME = 52
"""The limit of Kubernetes for CronJobs."""
DEFAULT_TIME_ZONE = "Etc/UTC"

ConcurrencyPolicy = Literal["Allow", "Forbid", "Replace"]


class CronWorkflowSpec(WireModel):
    """When to run a workflow, and with which input."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "self.schedule.matches('^@(hourly|daily|midnight|weekly|monthly|yearly|annually)$') || "
            "self.schedule.matches('^ *([^ @]+ +){4}[^ @]+ *$')",
            "schedule has five fields (minute, hour, day of month, month, day of week) or is one "
            "of @hourly, @daily, @weekly, @monthly, @yearly: CronJobs do not support seconds",
        ),
        Rule("!self.schedule.contains('TZ')", "schedule cannot contain TZ: set timeZone instead"),
    ]

    workflow: Annotated[str, Field(min_length=1, max_length=MAX_LABEL_VALUE)]
    """workflow is the name of a Workflow object in the same namespace. Runs wait until it
    exists."""
    name: Annotated[str | None, Field(min_length=1, max_length=253)] = None
    """name that the author gave. Defaults to metadata.name."""
    schedule: Annotated[str, Field(min_length=1, max_length=256)]
    """schedule is a cron expression."""
    time_zone: Annotated[str, Field(min_length=1, max_length=64)] = DEFAULT_TIME_ZONE
    """timeZone of the schedule, an IANA name such as Europe/Paris."""
    suspend: bool = False
    """suspend stops the start of runs. When it is reset, a run starts for the last missed tick,
    unless startingDeadlineSeconds has passed."""
    concurrency_policy: ConcurrencyPolicy = "Allow"
    """concurrencyPolicy applies at a tick while an earlier run is active: Allow starts another run,
    Forbid skips the tick, Replace cancels the earlier run."""
    starting_deadline_seconds: Annotated[int | None, Field(ge=0, le=MAX_STORED_SECONDS)] = None
    """startingDeadlineSeconds is the maximum delay of a tick; a later tick is skipped."""
    input: Annotated[JsonObject, PRESERVE_UNKNOWN] = Field(default_factory=dict[str, object])
    """input of the runs."""
    additional_metadata: AdditionalMetadata = Field(default_factory=dict[str, str])
    """additionalMetadata of the runs."""
    priority: Priority | None = None
    """priority 1 (low) to 3 (high) of the runs."""
    successful_runs_history_limit: Annotated[int | None, Field(ge=0, le=1000)] = None
    """successfulRunsHistoryLimit is the number of ticks of succeeded runs that are kept as Jobs.
    Defaults to 3. Runs themselves are kept for their TTL."""
    failed_runs_history_limit: Annotated[int | None, Field(ge=0, le=1000)] = None
    """failedRunsHistoryLimit is the number of ticks of failed runs that are kept as Jobs. Defaults
    to 1."""


class CronWorkflowStatus(CheckedStatus):
    """The state of a cron."""

    last_tick_at: WholeSecond | None = None
    """lastTickAt is the time of the last tick."""
    last_run: Annotated[str | None, Field(max_length=63)] = None
    """lastRun is the name of the run of the last tick."""
    next_run_times: list[WholeSecond] = Field(default_factory=list[WholeSecond], max_length=5)
    """nextRunTimes are the times of the next ticks."""


class CronWorkflow(ApiObject):
    """Starts a run of a workflow at each tick of a schedule."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"size(self.metadata.name) <= {MAX_CRON_NAME}",
            f"metadata.name of a CronWorkflow has at most {MAX_CRON_NAME} characters: shorten it "
            "and set spec.name to the whole name",
        )
    ]

    kind: Literal["CronWorkflow"] = "CronWorkflow"
    spec: CronWorkflowSpec
    """spec is the schedule and the workflow."""
    status: CronWorkflowStatus | None = None
    """status is the state of the cron."""

    @property
    def true_name(self) -> str:
        """The name that the author gave."""
        return self.spec.name or self.metadata.name
