"""A task of a Workflow: its code or container, its retries, and its conditions."""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field

from podhatch.api.concurrency import Concurrency, ConcurrencyLimit
from podhatch.api.condition import Condition
from podhatch.api.limits import (
    DEFAULT_EVICTION_TTL_SECONDS,
    MAX_BACKOFF_FACTOR,
    MAX_BACKOFF_SECONDS,
    MAX_CONDITIONS,
    MAX_RATE_LIMITS,
    MAX_RETRIES,
    MAX_SECONDS,
)
from podhatch.api.model import LIST_SET, Rule, WireModel, list_map
from podhatch.api.names import TASK_NAME_PATTERN
from podhatch.api.pod_settings import PodSettings
from podhatch.api.rate_limit import TaskRateLimit

MAX_TASKS = 1000
DEFAULT_SCHEDULE_TIMEOUT_SECONDS = 300.0
DEFAULT_EXECUTION_TIMEOUT_SECONDS = 60.0

Comparator = Literal[
    "Equal", "NotEqual", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"
]
ClusterAccess = Literal["none", "report", "spawn"]
"""The permissions of a task's pod in the cluster; each level includes the levels before it."""
CLUSTER_ACCESS: Final[tuple[ClusterAccess, ...]] = ("none", "report", "spawn")
Priority = Annotated[int, Field(ge=1, le=3)]
"""1 is low, 2 medium, 3 high: a PriorityClass each."""
TaskName = Annotated[str, Field(min_length=1, max_length=63, pattern=TASK_NAME_PATTERN)]
PythonFunction = Annotated[str, Field(min_length=3, max_length=512, pattern=r"^[^:]+:[^:]+$")]
Argument = Annotated[str, Field(max_length=65536)]
Seconds = Annotated[float, Field(gt=0, le=MAX_SECONDS)]


def cluster_access_of(value: object) -> object:
    """Return the level for a boolean, the former type of this field; other values unchanged."""
    return {True: "spawn", False: "none"}[value] if isinstance(value, bool) else value


class EnvironmentVariable(WireModel):
    """One variable of a container."""

    name: Annotated[str, Field(min_length=1, max_length=256)]
    """name of the variable."""
    value: Annotated[str, Field(max_length=32768)] = ""
    """value of the variable."""


class Container(WireModel):
    """A container that runs any image and command.

    $PODHATCH_INPUT holds the run's input as JSON, $PODHATCH_PARENTS the outputs of the parents. The
    container may write its output as JSON, up to 4096 bytes, to the file $PODHATCH_OUTPUT.
    """

    image: Annotated[str, Field(min_length=1, max_length=1024)]
    """image to run."""
    command: list[Argument] = Field(default_factory=list[str], max_length=256)
    """command replaces the image's entry point."""
    args: list[Argument] = Field(default_factory=list[str], max_length=256)
    """args replace the image's default arguments."""
    env: Annotated[list[EnvironmentVariable], list_map("name"), Field(max_length=256)] = Field(
        default_factory=list[EnvironmentVariable]
    )
    """env adds variables to the container."""
    working_dir: Annotated[str | None, Field(max_length=4096)] = None
    """workingDir is the working directory of the command."""


class NodeLabel(WireModel):
    """A label that the task's node must have or preferably has."""

    key: Annotated[str, Field(min_length=1, max_length=317)]
    """key of the node's label."""
    value: Annotated[str, Field(max_length=63)]
    """value to compare the label with; an integer for comparators of order."""
    comparator: Comparator = "Equal"
    """comparator of the node's value, on the left, with this value."""
    required: bool = False
    """required excludes nodes that do not match; otherwise they score lower."""
    weight: Annotated[int, Field(ge=1, le=100)] = 100
    """weight of this label among the task's labels that are not required."""


class DurableSettings(WireModel):
    """How a durable task waits."""

    eviction_ttl_seconds: Seconds = DEFAULT_EVICTION_TTL_SECONDS
    """evictionTtlSeconds is how long the task waits in its pod before it gives it up. A new pod
    continues it when the wait is over."""


TASK_RULES = [
    Rule(
        "has(self.python) != has(self.container)",
        "a task needs either python or container, not both",
    ),
    Rule(
        "!has(self.container) || !has(self.image)",
        "image is for python tasks: set container.image instead",
    ),
    Rule(
        "!has(self.durable) || (has(self.python) && has(self.clusterAccess) && "
        "self.clusterAccess == 'spawn')",
        "a durable task needs python, and clusterAccess: spawn for its log",
    ),
]


class TaskBase(WireModel):
    """The fields of every task: code or container, timeouts, retries, pod."""

    name: TaskName
    """name of the task, unique in its workflow. It is also a label value."""
    python: PythonFunction | None = None
    """python function: package.module:function or path/file.py:function."""
    container: Container | None = None
    """container runs any image and command as the task."""
    image: Annotated[str | None, Field(min_length=1, max_length=1024)] = None
    """image of this python task. Defaults to the image of the workflow."""
    schedule_timeout_seconds: Seconds = DEFAULT_SCHEDULE_TIMEOUT_SECONDS
    """scheduleTimeoutSeconds is how long the task may wait for its pod to start, including the
    image pull, before it is cancelled."""
    execution_timeout_seconds: Seconds = DEFAULT_EXECUTION_TIMEOUT_SECONDS
    """executionTimeoutSeconds is how long an attempt may run before it fails."""
    max_extension_seconds: Annotated[float | None, Field(ge=0, le=MAX_SECONDS)] = None
    """maxExtensionSeconds is the total time by which an attempt of a python task may extend its own
    timeout. Defaults to, and is limited by, the value of the chart."""
    cluster_access: Annotated[ClusterAccess, BeforeValidator(cluster_access_of)] = "report"
    """clusterAccess of a python task's pod. With report, it can write its own result. With spawn,
    it can also start child runs, wait for them, and push events. With none, it has no token: the
    pod starts sooner, and its output is limited to about 4000 bytes."""
    run_as_user: Annotated[int | None, Field(ge=0, le=2_147_483_647)] = None
    """runAsUser is the user ID of the process. Defaults to 65532. 0 is root, which the restricted
    Pod Security Standard does not allow."""
    retries: Annotated[int, Field(ge=0, le=MAX_RETRIES)] = 0
    """retries after failures of the task. Lost pods do not count."""
    backoff_factor: Annotated[float | None, Field(ge=1, le=MAX_BACKOFF_FACTOR)] = None
    """backoffFactor delays retry n by backoffFactor to the power of n seconds. By default a retry
    starts at once."""
    backoff_max_seconds: Annotated[int | None, Field(ge=1, le=MAX_BACKOFF_SECONDS)] = None
    """backoffMaxSeconds is the maximum delay of a retry."""
    backoff_jitter: Annotated[float | None, Field(ge=0, le=1)] = None
    """backoffJitter reduces each delay by a random part, up to this fraction."""
    concurrency: Concurrency = Field(default_factory=list[ConcurrencyLimit])
    """concurrency lists limits of this task in all runs. An attempt starts once it has a slot of
    each, and holds them until it ends."""
    rate_limits: Annotated[list[TaskRateLimit], Field(max_length=MAX_RATE_LIMITS)] = Field(
        default_factory=list[TaskRateLimit]
    )
    """rateLimits lists the units that each attempt of this task takes. It starts once it has all of
    them."""
    durable: DurableSettings | None = None
    """durable makes a python task durable: it keeps a log of its calls, gives up its pod in long
    waits, and continues from its log. It needs clusterAccess: spawn."""
    pod: PodSettings | None = None
    """pod holds resources, placement, variables and volumes of the task's pod."""


class TaskSpec(TaskBase):
    """A task: a Python function or a container, which runs in its own pod."""

    rules: ClassVar[list[Rule]] = [
        *TASK_RULES,
        Rule(
            "!has(self.parents) || !(self.name in self.parents)",
            "a task cannot be its own parent: remove its name from parents",
        ),
    ]

    parents: Annotated[list[TaskName], LIST_SET, Field(max_length=MAX_TASKS)] = Field(
        default_factory=list[str]
    )
    """parents are the tasks that must succeed before this task starts."""
    desired_worker_labels: list[NodeLabel] = Field(default_factory=list[NodeLabel], max_length=50)
    """desiredWorkerLabels select the node by its labels."""
    wait_for: list[Condition] = Field(default_factory=list[Condition], max_length=MAX_CONDITIONS)
    """waitFor lists conditions that must all hold before the task starts."""
    skip_if: list[Condition] = Field(default_factory=list[Condition], max_length=MAX_CONDITIONS)
    """skipIf lists conditions; once all of them hold, the task is skipped."""
    cancel_if: list[Condition] = Field(default_factory=list[Condition], max_length=MAX_CONDITIONS)
    """cancelIf lists conditions; once all of them hold, the task is cancelled. It takes precedence
    over waitFor and skipIf."""


class HookSpec(TaskBase):
    """A task that runs at the end of a run, after a failure or after success."""

    rules: ClassVar[list[Rule]] = [*TASK_RULES]
