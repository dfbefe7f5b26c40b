"""The Workflow object: what to run. Written by users, the SDK and Helm; never by the operator.

The operator reads it, pins each generation as a ControllerRevision, and writes its status.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.labels import API_VERSION
from podhatch.api.model import (
    Condition,
    JsonObject,
    ListMap,
    ListSet,
    ObjectMeta,
    PreserveUnknown,
    Rule,
    WireModel,
)
from podhatch.api.names import TASK_NAME_PATTERN

MAX_TASKS = 1000
DEFAULT_SCHEDULE_TIMEOUT_SECONDS = 300.0
DEFAULT_EXECUTION_TIMEOUT_SECONDS = 60.0

Comparator = Literal[
    "Equal", "NotEqual", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"
]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
TaskName = Annotated[str, Field(min_length=1, max_length=63, pattern=TASK_NAME_PATTERN)]


class EnvironmentVariable(WireModel):
    """One variable of a container."""

    name: Annotated[str, Field(min_length=1, max_length=256, description="name of the variable.")]
    value: Annotated[str, Field(default="", max_length=32768, description="value of the variable.")]


class Container(WireModel):
    """Any image and command as a task.

    It finds the run's input as JSON in $PODHATCH_INPUT, its parents' outputs in $PODHATCH_PARENTS,
    and may write its own output as JSON, up to 4096 bytes, to the file $PODHATCH_OUTPUT.
    """

    image: Annotated[str, Field(min_length=1, max_length=1024, description="image to run.")]
    command: Annotated[
        list[Annotated[str, Field(max_length=65536)]],
        Field(
            default_factory=list[str],
            max_length=256,
            description="command replaces the image's entry point.",
        ),
    ]
    args: Annotated[
        list[Annotated[str, Field(max_length=65536)]],
        Field(
            default_factory=list[str],
            max_length=256,
            description="args replace the image's default arguments.",
        ),
    ]
    env: Annotated[
        list[EnvironmentVariable],
        ListMap("name"),
        Field(
            default_factory=list[EnvironmentVariable],
            max_length=256,
            description="env adds variables to the container.",
        ),
    ]
    working_dir: Annotated[
        str | None,
        Field(default=None, max_length=4096, description="workingDir is where the command starts."),
    ]


class DesiredWorkerLabel(WireModel):
    """A label that the task's node should or must have."""

    key: Annotated[str, Field(min_length=1, max_length=317, description="key of the node's label.")]
    value: Annotated[
        str,
        Field(
            max_length=63,
            description="value the label is compared with; the order comparators need a whole number.",
        ),
    ]
    comparator: Annotated[
        Comparator,
        Field(
            default="Equal",
            description="comparator between the node's value, on the left, and this value.",
        ),
    ]
    required: Annotated[
        bool,
        Field(
            default=False,
            description="required: nodes that do not match are out; otherwise they are less liked.",
        ),
    ]
    weight: Annotated[
        int,
        Field(
            default=100,
            ge=1,
            le=100,
            description="weight of this wish against the task's others, when it is not required.",
        ),
    ]


class TaskSpec(WireModel):
    """One task: a Python function or a container, run in a pod of its own."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "has(self.python) != has(self.container)",
            "a task needs either python or container, and not both",
        ),
        Rule(
            "!has(self.parents) || !self.parents.exists(p, p == self.name)",
            "a task cannot be its own parent: take its name out of parents",
        ),
        Rule(
            "!has(self.container) || !has(self.image)",
            "image belongs to python tasks: set container.image instead",
        ),
    ]

    name: Annotated[
        TaskName,
        Field(description="name of the task, unique in its workflow; also a label's value."),
    ]
    parents: Annotated[
        list[TaskName],
        ListSet(),
        Field(
            default_factory=list[str],
            max_length=100,
            description="parents are the tasks that must succeed before this one starts.",
        ),
    ]
    python: Annotated[
        str | None,
        Field(
            default=None,
            min_length=3,
            max_length=512,
            pattern=r"^[^:]+:[^:]+$",
            description="python names a function: package.module:function or path/file.py:function.",
        ),
    ]
    container: Annotated[
        Container | None, Field(default=None, description="container runs any image and command.")
    ]
    image: Annotated[
        str | None,
        Field(
            default=None,
            min_length=1,
            max_length=1024,
            description="image for this python task; by default the workflow's.",
        ),
    ]
    schedule_timeout_seconds: Annotated[
        float,
        Field(
            default=DEFAULT_SCHEDULE_TIMEOUT_SECONDS,
            ge=0.001,
            le=31_536_000,
            description="scheduleTimeoutSeconds is how long the task may wait for its pod to start; "
            "then the task is cancelled. Pulling the image counts.",
        ),
    ]
    execution_timeout_seconds: Annotated[
        float,
        Field(
            default=DEFAULT_EXECUTION_TIMEOUT_SECONDS,
            ge=0.001,
            le=31_536_000,
            description="executionTimeoutSeconds is how long one attempt may run; then it fails.",
        ),
    ]
    desired_worker_labels: Annotated[
        list[DesiredWorkerLabel],
        Field(
            default_factory=list[DesiredWorkerLabel],
            max_length=50,
            description="desiredWorkerLabels choose the node by its labels.",
        ),
    ]
    cluster_access: Annotated[
        bool,
        Field(
            default=True,
            description="clusterAccess gives a python task's pod the one permission to write its "
            "own result. Without it the pod starts sooner, and its output has at most about 4000 "
            "bytes.",
        ),
    ]
    run_as_user: Annotated[
        int | None,
        Field(
            default=None,
            ge=0,
            le=2_147_483_647,
            description="runAsUser is the user id of the process: 65532 by default; 0 is root, which "
            "a namespace with the restricted pod security level refuses.",
        ),
    ]


class Source(WireModel):
    """The user's source tree, shipped beside the workflow for development."""

    config_map: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            description="configMap that holds the tree as source.zip; a new content has a new name.",
        ),
    ]


class WorkflowSpec(WireModel):
    """A directed acyclic graph of tasks, and what they share."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "self.tasks.all(t, !has(t.parents) || "
            "t.parents.all(p, self.tasks.exists(other, other.name == p)))",
            "a task names a parent that is not a task of this workflow: check tasks[].parents",
        ),
    ]

    name: Annotated[
        str | None,
        Field(
            default=None,
            min_length=1,
            max_length=253,
            description="name as the author wrote it, with capitals, spaces and dots; by default "
            "metadata.name.",
        ),
    ]
    description: Annotated[
        str | None,
        Field(default=None, max_length=4096, description="description for people."),
    ]
    version: Annotated[
        str | None,
        Field(default=None, max_length=256, description="version is a label the author gives."),
    ]
    image: Annotated[
        str | None,
        Field(
            default=None,
            min_length=1,
            max_length=1024,
            description="image of the python tasks; by default the operator's stock runner image.",
        ),
    ]
    image_pull_policy: Annotated[
        PullPolicy | None,
        Field(
            default=None, description="imagePullPolicy of all tasks; by default Kubernetes' own."
        ),
    ]
    source: Annotated[
        Source | None,
        Field(default=None, description="source tree of the python tasks, for development."),
    ]
    input_schema: Annotated[
        JsonObject | None,
        PreserveUnknown(),
        Field(
            default=None,
            description="inputSchema is a JSON Schema; a run whose input does not fit fails at once.",
        ),
    ]
    tasks: Annotated[
        list[TaskSpec],
        ListMap("name"),
        Field(
            min_length=1,
            max_length=MAX_TASKS,
            description="tasks of the workflow, in any order.",
        ),
    ]


class WorkflowStatus(WireModel):
    """What the operator says of a workflow."""

    observed_generation: Annotated[
        int | None,
        Field(default=None, ge=0, description="observedGeneration is the generation last checked."),
    ]
    conditions: Annotated[
        list[Condition],
        ListMap("type"),
        Field(
            default_factory=list[Condition],
            max_length=16,
            description="conditions: Valid tells whether runs of this workflow can start.",
        ),
    ]


class Workflow(WireModel):
    """A workflow: tasks, each of which becomes a pod, and the order between them."""

    api_version: Literal["podhatch.dev/v1alpha1"] = API_VERSION
    kind: Literal["Workflow"] = "Workflow"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: WorkflowSpec
    status: WorkflowStatus | None = None

    @property
    def true_name(self) -> str:
        """The name as the author wrote it."""
        return self.spec.name or self.metadata.name
