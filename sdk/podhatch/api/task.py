"""One task of a workflow: what runs, how often it is tried, and what it waits for.

Part of the Workflow object; the operator's planning reads it from the pinned revision.
"""

from typing import Annotated, ClassVar, Final, Literal

from pydantic import BeforeValidator, Field

from podhatch.api.condition import MAX_CONDITIONS, Condition
from podhatch.api.model import ListMap, ListSet, Rule, WireModel
from podhatch.api.names import TASK_NAME_PATTERN
from podhatch.api.pod_settings import PodSettings

MAX_TASKS = 1000
MAX_RETRIES = 100
MAX_BACKOFF_SECONDS = 86_400
DEFAULT_SCHEDULE_TIMEOUT_SECONDS = 300.0
DEFAULT_EXECUTION_TIMEOUT_SECONDS = 60.0

Comparator = Literal[
    "Equal", "NotEqual", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"
]
ClusterAccess = Literal["none", "report", "spawn"]
"""What a task's pod may do in the cluster; each includes what stands before it."""
CLUSTER_ACCESS: Final[tuple[ClusterAccess, ...]] = ("none", "report", "spawn")
Priority = Annotated[int, Field(ge=1, le=3)]
"""1 is low, 2 medium, 3 high: a PriorityClass each."""
TaskName = Annotated[str, Field(min_length=1, max_length=63, pattern=TASK_NAME_PATTERN)]


def cluster_access_of(value: object) -> object:
    """Return what a boolean stands for, which this field was once; anything else as it is."""
    return {True: "spawn", False: "none"}[value] if isinstance(value, bool) else value


class EnvironmentVariable(WireModel):
    """One variable of a container."""

    name: Annotated[str, Field(min_length=1, max_length=256, description="name of the variable.")]
    value: Annotated[str, Field(max_length=32768, description="value of the variable.")] = ""


class Container(WireModel):
    """Any image and command as a task.

    It finds the run's input as JSON in $PODHATCH_INPUT, its parents' outputs in $PODHATCH_PARENTS,
    and may write its own output as JSON, up to 4096 bytes, to the file $PODHATCH_OUTPUT.
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
        Field(max_length=4096, description="workingDir is where the command starts."),
    ] = None


class DesiredWorkerLabel(WireModel):
    """A label that the task's node should or must have."""

    key: Annotated[str, Field(min_length=1, max_length=317, description="key of the node's label.")]
    value: Annotated[
        str,
        Field(
            max_length=63,
            description="value the label is compared with; a whole number where order is compared.",
        ),
    ]
    comparator: Annotated[
        Comparator,
        Field(
            description="comparator between the node's value, on the left, and this value.",
        ),
    ] = "Equal"
    required: Annotated[
        bool,
        Field(
            description="required: nodes that do not match are out; otherwise they are less liked.",
        ),
    ] = False
    weight: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="weight of this wish against the task's others, when it is not required.",
        ),
    ] = 100


TASK_RULES = [
    Rule(
        "has(self.python) != has(self.container)",
        "a task needs either python or container, and not both",
    ),
    Rule(
        "!has(self.container) || !has(self.image)",
        "image belongs to python tasks: set container.image instead",
    ),
]


class TaskBase(WireModel):
    """What every task has: its code or container, its timeouts, its retries, its pod."""

    name: Annotated[
        TaskName,
        Field(description="name of the task, unique in its workflow; also a label's value."),
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
        Container | None, Field(description="container runs any image and command.")
    ] = None
    image: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            description="image for this python task; by default the workflow's.",
        ),
    ] = None
    schedule_timeout_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=31_536_000,
            description="scheduleTimeoutSeconds is how long the task may wait for its pod to "
            "start; then the task is cancelled. Pulling the image counts.",
        ),
    ] = DEFAULT_SCHEDULE_TIMEOUT_SECONDS
    execution_timeout_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=31_536_000,
            description="executionTimeoutSeconds is how long one attempt may run; then it fails.",
        ),
    ] = DEFAULT_EXECUTION_TIMEOUT_SECONDS
    max_extension_seconds: Annotated[
        float | None,
        Field(
            ge=0,
            le=31_536_000,
            description="maxExtensionSeconds is by how much an attempt of a python task may move "
            "its own time limit, in all; by default, and at most, by what the chart allows.",
        ),
    ] = None
    cluster_access: Annotated[
        ClusterAccess,
        BeforeValidator(cluster_access_of),
        Field(
            description="clusterAccess of a python task's pod: report lets it write its own "
            "result; spawn lets it also start child runs, wait for them, and push events; none "
            "gives it no token: the pod starts sooner, and its output has at most about 4000 "
            "bytes.",
        ),
    ] = "report"
    run_as_user: Annotated[
        int | None,
        Field(
            ge=0,
            le=2_147_483_647,
            description="runAsUser is the user id of the process: 65532 by default; 0 is root, "
            "which a namespace with the restricted pod security level refuses.",
        ),
    ] = None
    retries: Annotated[
        int,
        Field(
            ge=0,
            le=MAX_RETRIES,
            description="retries after a failure of the task's own; lost pods are not counted.",
        ),
    ] = 0
    backoff_factor: Annotated[
        float | None,
        Field(
            ge=1,
            le=1000,
            description="backoffFactor: retry n starts factor to the power of n seconds after the "
            "failure; by default at once.",
        ),
    ] = None
    backoff_max_seconds: Annotated[
        int | None,
        Field(
            ge=1,
            le=MAX_BACKOFF_SECONDS,
            description="backoffMaxSeconds is the longest wait between two attempts.",
        ),
    ] = None
    backoff_jitter: Annotated[
        float | None,
        Field(
            ge=0,
            le=1,
            description="backoffJitter takes up to this part off each wait, differently each time.",
        ),
    ] = None
    pod: Annotated[
        PodSettings | None,
        Field(description="pod: resources, placement, variables and volumes of the task's pod."),
    ] = None


class TaskSpec(TaskBase):
    """One task: a Python function or a container, run in a pod of its own."""

    rules: ClassVar[list[Rule]] = [
        *TASK_RULES,
        Rule(
            "!has(self.parents) || !(self.name in self.parents)",
            "a task cannot be its own parent: take its name out of parents",
        ),
    ]

    parents: Annotated[
        list[TaskName],
        ListSet(),
        Field(
            max_length=MAX_TASKS,
            description="parents are the tasks that must succeed before this one starts.",
        ),
    ] = Field(default_factory=list[str])
    desired_worker_labels: Annotated[
        list[DesiredWorkerLabel],
        Field(
            max_length=50,
            description="desiredWorkerLabels choose the node by its labels.",
        ),
    ] = Field(default_factory=list[DesiredWorkerLabel])
    wait_for: Annotated[
        list[Condition],
        Field(
            max_length=MAX_CONDITIONS,
            description="waitFor: all of these must hold before the task starts.",
        ),
    ] = Field(default_factory=list[Condition])
    skip_if: Annotated[
        list[Condition],
        Field(
            max_length=MAX_CONDITIONS,
            description="skipIf: the task is skipped once all of these hold.",
        ),
    ] = Field(default_factory=list[Condition])
    cancel_if: Annotated[
        list[Condition],
        Field(
            max_length=MAX_CONDITIONS,
            description="cancelIf: the task is cancelled once all of these hold; looked at first.",
        ),
    ] = Field(default_factory=list[Condition])


class HookSpec(TaskBase):
    """A task that runs at the end of a run: after a failure, or after success."""

    rules: ClassVar[list[Rule]] = [*TASK_RULES]
