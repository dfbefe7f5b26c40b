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
from podhatch.api.model import ListMap, ListSet, Rule, WireModel
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


def cluster_access_of(value: object) -> object:
    """Return the level for a boolean, the former type of this field; other values unchanged."""
    return {True: "spawn", False: "none"}[value] if isinstance(value, bool) else value


class EnvironmentVariable(WireModel):
    """One variable of a container."""

    name: Annotated[str, Field(min_length=1, max_length=256, description="name of the variable.")]
    value: Annotated[str, Field(max_length=32768, description="value of the variable.")] = ""


class Container(WireModel):
    """A container that runs any image and command.

    $PODHATCH_INPUT holds the run's input as JSON, $PODHATCH_PARENTS the outputs of the parents. The
    container may write its output as JSON, up to 4096 bytes, to the file $PODHATCH_OUTPUT.
    """

    image: Annotated[str, Field(min_length=1, max_length=1024, description="image to run.")]
    command: Annotated[
        list[Annotated[str, Field(max_length=65536)]],
        Field(
            max_length=256,
            description="command replaces the image's entry point.",
        ),
    ] = Field(default_factory=list[str])
    args: Annotated[
        list[Annotated[str, Field(max_length=65536)]],
        Field(
            max_length=256,
            description="args replace the image's default arguments.",
        ),
    ] = Field(default_factory=list[str])
    env: Annotated[
        list[EnvironmentVariable],
        ListMap("name"),
        Field(
            max_length=256,
            description="env adds variables to the container.",
        ),
    ] = Field(default_factory=list[EnvironmentVariable])
    working_dir: Annotated[
        str | None,
        Field(max_length=4096, description="workingDir is the working directory of the command."),
    ] = None


class NodeLabel(WireModel):
    """A label that the task's node must have or preferably has."""

    key: Annotated[str, Field(min_length=1, max_length=317, description="key of the node's label.")]
    value: Annotated[
        str,
        Field(
            max_length=63,
            description="value to compare the label with; an integer for comparators of order.",
        ),
    ]
    comparator: Annotated[
        Comparator,
        Field(
            description="comparator of the node's value, on the left, with this value.",
        ),
    ] = "Equal"
    required: Annotated[
        bool,
        Field(
            description="required excludes nodes that do not match; otherwise they score lower.",
        ),
    ] = False
    weight: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="weight of this label among the task's labels that are not required.",
        ),
    ] = 100


class DurableSettings(WireModel):
    """How a durable task waits."""

    eviction_ttl_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=MAX_SECONDS,
            description="evictionTtlSeconds is how long the task waits in its pod before it gives "
            "it up. A new pod continues it when the wait is over.",
        ),
    ] = DEFAULT_EVICTION_TTL_SECONDS


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

    name: Annotated[
        TaskName,
        Field(description="name of the task, unique in its workflow. It is also a label value."),
    ]
    python: Annotated[
        str | None,
        Field(
            min_length=3,
            max_length=512,
            pattern=r"^[^:]+:[^:]+$",
            description="python function: package.module:function or path/file.py:function.",
        ),
    ] = None
    container: Annotated[
        Container | None, Field(description="container runs any image and command as the task.")
    ] = None
    image: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            description="image of this python task. Defaults to the image of the workflow.",
        ),
    ] = None
    schedule_timeout_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=MAX_SECONDS,
            description="scheduleTimeoutSeconds is how long the task may wait for its pod to "
            "start, including the image pull, before it is cancelled.",
        ),
    ] = DEFAULT_SCHEDULE_TIMEOUT_SECONDS
    execution_timeout_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=MAX_SECONDS,
            description="executionTimeoutSeconds is how long an attempt may run before it fails.",
        ),
    ] = DEFAULT_EXECUTION_TIMEOUT_SECONDS
    max_extension_seconds: Annotated[
        float | None,
        Field(
            ge=0,
            le=MAX_SECONDS,
            description="maxExtensionSeconds is the total time by which an attempt of a python "
            "task may extend its own timeout. Defaults to, and is limited by, the value of the "
            "chart.",
        ),
    ] = None
    cluster_access: Annotated[
        ClusterAccess,
        BeforeValidator(cluster_access_of),
        Field(
            description="clusterAccess of a python task's pod. With report, it can write its own "
            "result. With spawn, it can also start child runs, wait for them, and push events. "
            "With none, it has no token: the pod starts sooner, and its output is limited to about "
            "4000 bytes.",
        ),
    ] = "report"
    run_as_user: Annotated[
        int | None,
        Field(
            ge=0,
            le=2_147_483_647,
            description="runAsUser is the user ID of the process. Defaults to 65532. 0 is root, "
            "which the restricted Pod Security Standard does not allow.",
        ),
    ] = None
    retries: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_RETRIES,
            description="retries after failures of the task. Lost pods do not count.",
        ),
    ] = 0
    backoff_factor: Annotated[
        float | None,
        Field(
            ge=1,
            le=MAX_BACKOFF_FACTOR,
            description="backoffFactor delays retry n by backoffFactor to the power of n seconds. "
            "By default a retry starts at once.",
        ),
    ] = None
    backoff_max_seconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_BACKOFF_SECONDS,
            description="backoffMaxSeconds is the maximum delay of a retry.",
        ),
    ] = None
    backoff_jitter: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="backoffJitter reduces each delay by a random part, up to this fraction.",
        ),
    ] = None
    concurrency: Annotated[
        Concurrency,
        Field(
            description="concurrency lists limits of this task in all runs. An attempt starts once "
            "it has a slot of each, and holds them until it ends.",
        ),
    ] = Field(default_factory=list[ConcurrencyLimit])
    rate_limits: Annotated[
        list[TaskRateLimit],
        Field(
            max_length=MAX_RATE_LIMITS,
            description="rateLimits lists the units that each attempt of this task takes. It "
            "starts once it has all of them.",
        ),
    ] = Field(default_factory=list[TaskRateLimit])
    durable: Annotated[
        DurableSettings | None,
        Field(
            description="durable makes a python task durable: it keeps a log of its calls, gives "
            "up its pod in long waits, and continues from its log. It needs clusterAccess: spawn."
        ),
    ] = None
    pod: Annotated[
        PodSettings | None,
        Field(
            description="pod holds resources, placement, variables and volumes of the task's pod."
        ),
    ] = None


class TaskSpec(TaskBase):
    """A task: a Python function or a container, which runs in its own pod."""

    rules: ClassVar[list[Rule]] = [
        *TASK_RULES,
        Rule(
            "!has(self.parents) || !(self.name in self.parents)",
            "a task cannot be its own parent: remove its name from parents",
        ),
    ]

    parents: Annotated[
        list[TaskName],
        ListSet(),
        Field(
            max_length=MAX_TASKS,
            description="parents are the tasks that must succeed before this task starts.",
        ),
    ] = Field(default_factory=list[str])
    desired_worker_labels: Annotated[
        list[NodeLabel],
        Field(
            max_length=50,
            description="desiredWorkerLabels select the node by its labels.",
        ),
    ] = Field(default_factory=list[NodeLabel])
    wait_for: Annotated[
        list[Condition],
        Field(
            max_length=MAX_CONDITIONS,
            description="waitFor lists conditions that must all hold before the task starts.",
        ),
    ] = Field(default_factory=list[Condition])
    skip_if: Annotated[
        list[Condition],
        Field(
            max_length=MAX_CONDITIONS,
            description="skipIf lists conditions; once all of them hold, the task is skipped.",
        ),
    ] = Field(default_factory=list[Condition])
    cancel_if: Annotated[
        list[Condition],
        Field(
            max_length=MAX_CONDITIONS,
            description="cancelIf lists conditions; once all of them hold, the task is "
            "cancelled. It "
            "takes precedence over waitFor and skipIf.",
        ),
    ] = Field(default_factory=list[Condition])


class HookSpec(TaskBase):
    """A task that runs at the end of a run, after a failure or after success."""

    rules: ClassVar[list[Rule]] = [*TASK_RULES]
